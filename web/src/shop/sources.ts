/** What the sources of candidates are called before people. */
const SOURCES: Record<string, string> = {
  two_tower: "two towers", item_item: "taken together", item_item_long: "long taken together", popular: "popular", new: "new here",
  fused: "by likeness",
  tfidf: "similar words", rules: "bought together", trending: "trending", best_value: "best value",
  taxonomy: "same shelf", top_categories: "your categories", diverse: "something else", name: "by name", words: "by words", meaning: "by meaning",
  picture: "by picture", covisitation: "taken together", request: "asked for",
};

export const sourceName = (source: string): string => SOURCES[source] ?? source.replaceAll("_", " ");
