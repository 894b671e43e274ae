"use strict";
// The page's one global: what the data scripts call, and what the other scripts share.
// Text from results only ever enters the page through textContent.
window.inferfleet = (() => {
  const groups = new Map();
  const waiting = new Map();
  let pageData = null;

  const number = (value, digits = 3) =>
    value.toLocaleString("en-US", { maximumSignificantDigits: digits, minimumSignificantDigits: 1 });

  // What was asked of the server: as a label, and in words.
  const load = (dot) => (dot.rate_per_s === null ? String(dot.concurrency) : `${number(dot.rate_per_s, 6)}/s`);
  const loadText = (dot) =>
    (dot.rate_per_s === null ? `${dot.concurrency} in flight` : `${number(dot.rate_per_s, 6)} requests/s`);

  const element = (name, { text, className, ...attributes } = {}, children = []) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // Colour says which configuration, and so does the symbol: never colour alone.
  const SYMBOLS = [
    "M2 12a10 10 0 1 0 20 0a10 10 0 1 0-20 0Z",
    "M3 3H21V21H3Z",
    "M12 2L23 21H1Z",
    "M12 1L23 12L12 23L1 12Z",
    "M12 22L1 3H23Z",
    "M12 1L22 8.5L18.2 21H5.8L2 8.5Z",
  ];
  const COLOURS = 7;
  const symbolOf = (style) => SYMBOLS[(style + Math.floor(style / COLOURS)) % SYMBOLS.length];
  const colourOf = (style) => `--series-${style % COLOURS}`;

  const swatch = (style, muted) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", `swatch ${muted ? "muted" : "series"}-${style % COLOURS}`);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", symbolOf(style));
    svg.append(path);
    return svg;
  };

  return {
    number, element, load, loadText, symbolOf, colourOf, swatch,

    // called by data/page.js
    page(data) { pageData = data; },
    pageData: () => pageData,

    // called by data/group-*.js
    group(view) {
      groups.set(view.slug, view);
      (waiting.get(view.slug) || []).forEach((use) => use(view));
      waiting.delete(view.slug);
    },

    // Gives `use` the group, now or once its script has loaded. fetch() is not allowed on file://, scripts are.
    withGroup(slug, use) {
      if (groups.has(slug)) { use(groups.get(slug)); return; }
      if (waiting.has(slug)) { waiting.get(slug).push(use); return; }
      waiting.set(slug, [use]);
      document.head.append(element("script", { src: `data/group-${slug}.js` }));
    },
  };
})();
