// The key of an administrator, as long as this tab is open. The control room asks for it.
export const KEY = "towerbridge.admin-key";

/** The headers of a question that only administrators are answered; none where no key was given. */
export const bearing = (key = sessionStorage.getItem(KEY)): Record<string, string> => (key ? { "x-admin-key": key } : {});
