/** What the reader chose, kept while the page reloads itself; where the browser keeps nothing, it lasts as long as the page. */
const place = `report:${globalThis.location?.pathname}`;
const kept = read(() => JSON.parse(sessionStorage.getItem(place))) ?? {};

function read(attempt) {
  try {
    return attempt();
  } catch {
    return undefined;
  }
}

/** @returns what was kept under a name, or `otherwise` */
export function recall(name, otherwise) {
  return name in kept ? kept[name] : otherwise;
}

export function keep(name, value) {
  kept[name] = value;
  read(() => sessionStorage.setItem(place, JSON.stringify(kept)));
}

/** Light or dark: the system's choice until the button is pressed. */
export function themeButton(button) {
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  };
  const show = () => {
    button.textContent = dark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', `Switch to ${dark() ? 'light' : 'dark'} colours`);
  };
  const chosen = read(() => localStorage.getItem('report:theme')) ?? recall('theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
  button.hidden = false;
  button.addEventListener('click', () => {
    const next = dark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    keep('theme', next);
    read(() => localStorage.setItem('report:theme', next));
    show();
  });
  show();
}
