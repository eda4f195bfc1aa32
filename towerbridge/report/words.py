"""What the report calls things: plain words for methods, protocols, metrics and slices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way of asking, told to somebody who does not know it."""

    title: str
    question: str
    why: str


PROTOCOLS = {
    "next_item": Protocol(
        "The next thing that people take",
        "Of every person the last thing they took is hidden. The recommender sees all that they did before it and "
        "puts the whole catalogue in order, less what the person had already. How far up is the hidden thing?",
        "It is the usual question for a recommender, and the one that most published figures answer.",
    ),
    "global_time": Protocol(
        "The weeks to come",
        "Everything is learned from the first 80 % of all events by time. What people took in the last tenth is "
        "asked for as of its beginning.",
        "It is nearest to what happens after a launch: the future is unknown, and many people are new.",
    ),
    "cold_item": Protocol(
        "New things, compared with each other",
        "A tenth of the catalogue is taken out before anything is learned. Which of these unknown things did each "
        "person take?",
        "Something that nobody has taken yet can only be placed by its text, its picture and its side features.",
    ),
    "cold_item_among_all": Protocol(
        "New things among everything",
        "The same tenth of the catalogue, now competing with all that people know already.",
        "It shows whether new things have a chance to be seen at all.",
    ),
    "new_user": Protocol(
        "People who are new",
        "A fifth of the people is taken out before anything is learned. Each turns up with their history, and the "
        "next thing that they take is asked for.",
        "Nobody has to wait for a training to be recommended to.",
    ),
}
METHODS = {
    "pipeline": "This recommender",
    "retrieval": "Its first stage alone",
    "random": "Chance",
    "top_rated": "Best rated",
    "most_popular": "Most popular",
    "most_popular_decayed": "Popular lately",
    "item_knn": "Item neighbours",
    "user_knn": "User neighbours",
    "ease": "EASE",
    "ease_recency": "EASE, recent events first",
    "ials": "iALS",
    "bpr": "BPR",
    "lightfm": "LightFM",
    "neural_cf": "Neural CF",
    "content": "Texts like those of the history",
    "sbert_knn": "The same by the bare cosine",
    "tfrs_ranking": "TFRS ranking tutorial",
    "tfrs_ranking_features": "TFRS tutorial, side features",
    "logistic": "Logistic over EASE",
    "catboost": "CatBoost over EASE",
    "catboost_alone": "CatBoost over everything",
}
SOURCES = {
    "two_tower": "Near in the towers' space",
    "item_item": "Taken together of late",
    "item_item_long": "Taken together all along",
    "rules": "Association rules",
    "tfidf": "Like in words and category",
    "taxonomy": "Near in the tree of categories",
    "trending": "Trending",
    "popular": "Popular",
    "best_value": "Best value",
    "top_categories": "Best of the top categories",
    "diverse": "Rarely shown categories",
    "new": "New",
}
METRICS = {
    "ndcg@10": (
        "NDCG@10",
        "how high in the first ten the right thing stands: 1 is always first, 0 never there; it decides",
    ),
    "hit_rate@5": ("Hits in 5", "share of people whose right thing is among the first five"),
    "hit_rate@10": ("Hits in 10", "share of people whose right thing is among the first ten"),
    "precision@10": ("Precision@10", "share of the first ten that are right"),
    "recall@10": ("Recall@10", "share of right things among the first ten"),
    "recall@50": ("Recall@50", "share of right things among the first 50"),
    "recall@100": ("Recall@100", "share of right things among the first 100"),
    "recall@500": ("Recall@500", "share of right things among the first 500"),
    "mrr": ("MRR", "mean of 1 / place of the right thing"),
    "auc": ("AUC", "chance that a right thing stands above a wrong one; 0.5 is chance"),
    "coverage@10": ("Coverage", "share of the catalogue that is in anybody's first ten"),
    "gini@10": ("Gini", "how unequally things are shown: 0 all alike, near 1 always the same few"),
    "novelty@10": ("Novelty", "bits: how little known what is shown is; the more, the less known"),
}
FEATURES = {
    "similarity": "taken with what the person took last",
    "item_popularity": "events with it",
    "interaction_count": "events with things of its kind",
    "history_size": "events of the person",
    "category_affinity": "share of its kind in the latest events",
    "time_since_last": "time since the last thing of its kind",
    "closeness": "near the person in the towers' space",
    "text_length": "length of its text",
    "item_like_rate": "how often it was liked",
    "category_like_rate": "how often things of its kind were liked",
    "user_like_rate": "how often the person likes",
    "hour": "hour of the day",
    "weekday": "day of the week",
}
SLICES = {
    "history": "By how much is known of a person (events before the question)",
    "item": "By how popular the right thing is",
}
GROUPS = {
    "head": "head: few things with half of all events",
    "middle": "middle: up to 80 % of all events",
    "tail": "tail: the rest",
    "cold": "cold: fewer than five events",
}


def method(name: str) -> str:
    """What a method is called."""
    return METHODS.get(name, name.replace("_", " "))


def feature(name: str) -> str:
    """What a tabular ranker reads there."""
    kind, _, number = name.rpartition("_")
    counted = {
        "cluster": "distance from cluster {} of texts",
        "group": "how often people like who share trait {}",
    }
    if kind in counted and number.isdecimal():
        return counted[kind].format(int(number) + 1)
    return FEATURES.get(name, name.replace("_", " "))


def protocol(name: str) -> Protocol:
    """How a protocol is told; by its name alone where it is not known here."""
    return PROTOCOLS.get(name) or Protocol(name.replace("_", " ").capitalize(), "", "")


def kind(name: str) -> str:
    """How a method's bar is coloured."""
    return {"pipeline": "ours", "retrieval": "stage"}.get(name, "other")
