/** The reader's choices, kept in the session storage across reloads; only in memory if the browser has no storage. */
const storageKey = `report:${globalThis.location?.pathname}`;
const kept = ifAvailable(() => JSON.parse(sessionStorage.getItem(storageKey))) ?? {};

function ifAvailable(access) {
  try {
    return access();
  } catch {
    return undefined;
  }
}

/** @returns the value kept under a name, or `otherwise` */
export function recall(name, otherwise) {
  return name in kept ? kept[name] : otherwise;
}

/** Keeps a value under a name. */
export function keep(name, value) {
  kept[name] = value;
  ifAvailable(() => sessionStorage.setItem(storageKey, JSON.stringify(kept)));
}

/** Switches between light and dark; initially the setting of the system. */
export function themeButton(button) {
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  };
  const show = () => {
    button.textContent = dark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Switch to ${dark() ? 'light' : 'dark'} colours`);
  };
  const chosen = ifAvailable(() => localStorage.getItem('report:theme')) ?? recall('theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
  button.hidden = false;
  button.addEventListener('click', () => {
    const next = dark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    keep('theme', next);
    ifAvailable(() => localStorage.setItem('report:theme', next));
    show();
  });
  show();
}
