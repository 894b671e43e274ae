"use strict";
// Wires the page: what is chosen lives in the URL's hash, everything drawn follows from it.
(() => {
  const { chart: charts, element, swatch, withGroup, provenance } = inferfleet;
  const data = inferfleet.pageData();
  const find = (id) => document.getElementById(id);
  const narrow = () => find("measured").clientWidth < 620;
  const drawn = [];

  const canvas = (node) => {
    const made = echarts.init(node, null, { renderer: "canvas" });
    new ResizeObserver(() => made.resize()).observe(node);
    made.getZr().on("dblclick", () => [0, 1].forEach((index) =>
      made.dispatchAction({ type: "dataZoom", dataZoomIndex: index, start: 0, end: 100 })));
    return made;
  };

  const measured = () => {
    const first = data.groups[0].slug;
    const fresh = () => ({ group: first, x: "interactivity", y: "output", dot: "", hidden: new Set() });
    const panel = find("provenance");
    const hint = [...panel.childNodes];
    const plot = canvas(find("chart"));
    let state = fresh();
    let view = null;

    const fromHash = () => {
      const hash = new URLSearchParams(location.hash.slice(1));
      const known = fresh();
      if (data.groups.some((group) => group.slug === hash.get("g"))) known.group = hash.get("g");
      if (Object.hasOwn(charts.X, hash.get("x"))) known.x = hash.get("x");
      if (Object.hasOwn(charts.Y, hash.get("y"))) known.y = hash.get("y");
      known.dot = hash.get("dot") || "";
      known.hidden = new Set((hash.get("hide") || "").split(".").filter(Boolean).map(Number));
      return known;
    };

    const toHash = () => {
      const hash = new URLSearchParams();
      if (state.group !== first) hash.set("g", state.group);
      if (state.x !== "interactivity") hash.set("x", state.x);
      if (state.y !== "output") hash.set("y", state.y);
      if (state.hidden.size) hash.set("hide", [...state.hidden].sort((a, b) => a - b).join("."));
      if (state.dot) hash.set("dot", state.dot);
      history.replaceState(null, "", String(hash) ? `#${hash}` : location.pathname + location.search);
    };

    const change = (part) => { state = { ...state, ...part }; toHash(); refresh(); };

    const closePanel = () => {
      panel.replaceChildren(...hint);
      panel.classList.remove("open");
    };

    const drawPanel = () => {
      const series = view.series.find((one) => one.dots.some((dot) => dot.id === state.dot));
      if (!series) { closePanel(); return; }
      const dot = series.dots.find((one) => one.id === state.dot);
      provenance.show(panel, series, dot, [charts.X[state.x], charts.Y[state.y]], () => change({ dot: "" }));
    };

    const toggle = (style) => {
      const hidden = new Set(state.hidden);
      if (!hidden.delete(style)) hidden.add(style);
      change({ hidden });
    };

    const drawLegend = () => find("legend").replaceChildren(...view.series.map((series) => {
      const button = element("button", { type: "button", "aria-pressed": String(!state.hidden.has(series.style)) },
        [swatch(series.style, false), element("span", { text: series.label })]);
      button.addEventListener("click", () => {
        toggle(series.style);
        find("legend").children[view.series.indexOf(series)].focus();
      });
      return button;
    }));

    const markTable = () => {
      document.querySelectorAll(".group").forEach((group) => { group.hidden = group.dataset.group !== state.group; });
      document.querySelectorAll("tr[data-dot]").forEach((row) => {
        row.classList.toggle("chosen", row.dataset.dot === state.dot);
      });
    };

    const draw = () => {
      find("pick-group").value = state.group;
      find("pick-x").value = state.x;
      find("pick-y").value = state.y;
      const [x, y] = [charts.X[state.x], charts.Y[state.y]];
      find("chart-title").textContent = `${y.name} tokens/s per device against ${x.name.toLowerCase()}`;
      plot.setOption(charts.measured(view, state, narrow()), { notMerge: true });
      drawLegend();
      drawPanel();
      markTable();
    };

    function refresh() {
      const wanted = state.group;
      withGroup(wanted, (loaded) => {
        if (wanted !== state.group) return;
        view = loaded;
        draw();
      });
    }

    const toPanel = () => {
      panel.focus({ preventScroll: true });
      if (panel.getBoundingClientRect().top > innerHeight - 120 || panel.getBoundingClientRect().top < 0) {
        panel.scrollIntoView({ block: "nearest" });
      }
    };

    find("pick-group").addEventListener("change", ({ target }) => change({ group: target.value, dot: "", hidden: new Set() }));
    find("pick-x").addEventListener("change", ({ target }) => change({ x: target.value }));
    find("pick-y").addEventListener("change", ({ target }) => change({ y: target.value }));
    find("controls").addEventListener("submit", (event) => event.preventDefault());
    plot.on("click", ({ data: item }) => { if (item && item.dot) change({ dot: item.dot.id }); });
    document.querySelectorAll("tr[data-dot] a").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      change({ dot: link.closest("tr").dataset.dot });
      toPanel();
    }));
    panel.addEventListener("keydown", ({ key }) => { if (key === "Escape") change({ dot: "" }); });
    addEventListener("hashchange", () => { state = fromHash(); refresh(); });

    // Where a dot is on the page, in CSS pixels: for tests and for tools that point at things.
    inferfleet.locate = (id) => {
      const dot = view.series.flatMap((series) => series.dots).find((one) => one.id === id);
      const [x, y] = [charts.X[state.x], charts.Y[state.y]];
      const box = find("chart").getBoundingClientRect();
      const [left, top] = plot.convertToPixel("grid", [dot.figures[x.key] * x.scale, dot.figures[y.key] * y.scale]);
      return { x: box.left + left, y: box.top + top };
    };

    state = fromHash();
    drawn.push(() => { if (view) draw(); });
    refresh();
  };

  const published = () => {
    const plot = canvas(find("published-chart"));
    const pick = find("pick-published");
    const draw = () => {
      const group = data.published[Number(pick.value)];
      plot.setOption(charts.published(group, narrow()), { notMerge: true });
      find("published-legend").replaceChildren(...group.series.map((series, style) =>
        element("span", {}, [swatch(style, true), element("span", { text: series.label })])));
    };
    pick.addEventListener("change", draw);
    drawn.push(draw);
    draw();
  };

  if (data.groups.length) measured();
  if (data.published.length) published();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((draw) => draw()));
})();
