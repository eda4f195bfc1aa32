"""Builds the bundle that serves: a run's graphs and arrays, an index over its vectors, the candidate sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import numpy as np

from bundle.manifest import IndexInfo
from bundle.proposals import Trends
from bundle.writer import BundleWriter, new_version
from embeddings.encoder import Modality
from index.faiss_index import FaissIndex, measured_recall
from index.words import words_of, write_words
from serving.search.synonyms import CARRIED, Synonyms
from training.run import GRAPHS, Run
from training.sources.best_value import best_value
from training.sources.tfidf import tfidf
from training.sources.tree import tree

QUERIES = 200


def build(
    run: Run, folder: Path, encoders: Mapping[Modality, Path] | None = None, synonyms: Path | None = None
) -> Path:
    """Seal a new version in the data set's bundle folder; returns the version's folder.

    Args:
        run: what was trained.
        folder: of all versions of the data set.
        encoders: exported folders of the encoders whose vectors the run was trained on, for texts and pictures
            that come later.
        synonyms: a file of words that mean the same, to be searched by instead of the packaged one.

    Raises:
        ConfigError: that file is none.
    """
    if synonyms is not None:
        Synonyms.read(synonyms)
    arrays, summary = run.arrays, run.summary
    vectors = np.ascontiguousarray(arrays["vectors"], np.float32)
    index = FaissIndex.build(vectors)
    version = new_version()
    queries = run.probes["user_tower"].outputs["user_vector"][:QUERIES].astype(np.float32)
    with BundleWriter(folder, version) as writer:
        for name in GRAPHS:
            writer.graph(name, run.graph(name))
        if run.tabular is not None:
            run.tabular.save(writer.path("ranker.json").parent)
        replace(run.space(), version=version).save(writer.path("features.json"))
        writer.items(
            run.items, summary.dataset_schema, tokens=arrays["tokens"], numeric=arrays["numeric"],
            embedding_rows=arrays["embedding_rows"], popularity=arrays["popularity"],
        )  # fmt: skip
        write_words(writer.path("words/vocabulary.bin").parent, map(words_of, run.items))
        if synonyms is not None:
            copyfile(synonyms, writer.path(str(CARRIED)))
        writer.users(run.user_ids)
        writer.vectors(vectors)
        writer.content(arrays["text"], arrays["image"], arrays["content_mask"])
        index.save(writer.path("index.faiss"))
        popular = np.argsort(-arrays["popularity"], kind="stable")
        writer.neighbours(popular, arrays["neighbour_rows"], arrays["neighbour_weights"])
        writer.table("successor", arrays["successor_rows"], arrays["successor_weights"])
        writer.table("alike", arrays["alike_rows"], arrays["alike_weights"])
        write_proposals(writer, run)
        for modality, exported in (encoders or {}).items():
            writer.encoder(modality, exported)
        writer.probes(run.probes)
        return writer.seal(
            dataset=summary.dataset_schema.name, schema=summary.dataset_schema, dims=summary.dims,
            counts=summary.counts, heads=summary.heads, rank_by=summary.rank_by,
            shares=summary.shares,
            index=IndexInfo(kind=index.kind, recall_at_100=measured_recall(index, vectors, queries)),
            rating_range=summary.rating_range, encoders=summary.encoders, metrics=summary.metrics,
            training=summary.training,
        )  # fmt: skip


def write_proposals(writer: BundleWriter, run: Run) -> None:
    """Add what further candidate sources propose from, as far as the data set has it.

    What comes of events was counted while training had them (`training.sources.events`); the rest the items say.
    """
    arrays, schema = run.arrays, run.summary.dataset_schema
    writer.table("tfidf", *tfidf(run.items, schema.category))
    if "rules_rows" in arrays:
        writer.table("rules", arrays["rules_rows"], arrays["rules_weights"])
    if "trending_rows" in arrays:
        writer.trends(Trends(arrays["trending_rows"], arrays["trending_hours"], arrays["trending_worth"]))
    if schema.best_value is not None:
        writer.value(best_value(run.items, schema.best_value))
    if schema.tree is not None:
        writer.tree(tree(run.items, schema.tree))
