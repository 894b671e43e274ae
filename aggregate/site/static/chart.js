"use strict";
// From a group and the chosen axes to an ECharts option. No state, no page: the same input draws the same chart.
inferfleet.chart = (() => {
  const { number, element, load, loadText, symbolOf, colourOf } = inferfleet;

  const X = {
    interactivity: { name: "Interactivity", unit: "tok/s/user", key: "interactivity_tok_per_s", scale: 1, better: "higher" },
    ttft: { name: "Time to first token, p50", unit: "ms", key: "ttft_p50_s", scale: 1000, better: "lower" },
    e2e: { name: "End to end, p50", unit: "s", key: "e2e_p50_s", scale: 1, better: "lower" },
  };
  const Y = {
    output: { name: "Output", unit: "tok/s/device", key: "output_tok_per_s_per_device", scale: 1 },
    total: { name: "Total", unit: "tok/s/device", key: "total_tok_per_s_per_device", scale: 1 },
  };

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue(name).trim();
  };
  const at = (axis, dot) => dot.figures[axis.key] * axis.scale;

  // The edge of what was reached: down then right where more is better across, right then up where less is.
  const staircase = (points, better, edge) => {
    if (!points.length) return [];
    const path = better === "higher" ? [[0, points[0][1]], points[0]] : [[points[0][0], 0], points[0]];
    for (let i = 1; i < points.length; i += 1) {
      const [before, here] = [points[i - 1], points[i]];
      path.push(better === "higher" ? [before[0], here[1]] : [here[0], before[1]], here);
    }
    const last = points[points.length - 1];
    path.push(better === "higher" ? [last[0], 0] : [edge, last[1]]);
    return path;
  };

  const axisStyle = (paint, narrow) => ({
    type: "value",
    min: 0,
    nameLocation: "middle",
    nameTextStyle: { color: paint("--ink-2"), fontSize: narrow ? 12 : 13, fontWeight: 500 },
    axisLine: { show: true, lineStyle: { color: paint("--line-2") } },
    axisTick: { show: false },
    axisLabel: { color: paint("--ink-3"), fontSize: 12, hideOverlap: true },
    splitLine: { lineStyle: { color: paint("--line") } },
  });

  const frame = (paint, xName, yName, narrow) => ({
    animationDuration: 250,
    animationDurationUpdate: 250,
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: narrow ? 52 : 68, right: narrow ? 14 : 28, top: 26, bottom: 54 },
    xAxis: { ...axisStyle(paint, narrow), name: xName, nameGap: 34, splitNumber: narrow ? 4 : 8 },
    yAxis: { ...axisStyle(paint, narrow), name: yName, nameGap: narrow ? 40 : 54 },
    dataZoom: [0, 1].map((axis) => ({
      type: "inside",
      [axis ? "yAxisIndex" : "xAxisIndex"]: 0,
      filterMode: "none",
      zoomOnMouseWheel: "ctrl",
      moveOnMouseMove: false,
      moveOnMouseWheel: false,
      preventDefaultMouseMove: false,
    })),
    tooltip: {
      trigger: "item",
      confine: true,
      backgroundColor: paint("--card"),
      borderColor: paint("--line-2"),
      padding: [10, 12],
      textStyle: { color: paint("--ink"), fontSize: 13 },
    },
  });

  const tip = (title, lines, hint) =>
    element("div", { className: "tip" }, [
      element("strong", { text: title }),
      ...lines.map(([name, value]) => element("div", {}, [element("span", { text: name }), element("b", { text: value })])),
      element("em", { text: hint }),
    ]);

  const dotTip = (series, dot, x, y) => {
    const { requests, nights } = dot.figures;
    return tip(series.label, [
      ["Load", loadText(dot)],
      [x.name, `${number(at(x, dot))} ${x.unit}`],
      [y.name, `${number(at(y, dot))} ${y.unit}`],
      ["n", `${requests.toLocaleString("en-US")} requests, ${nights} ${nights === 1 ? "night" : "nights"}`],
    ], "Click for its run and digests");
  };

  const dotItem = (dot, x, y, onFrontier, colour, paint) => ({
    id: dot.id,
    value: [at(x, dot), at(y, dot)],
    itemStyle: { color: onFrontier ? colour : paint("--card"), borderColor: colour, borderWidth: 2 },
    label: {
      color: onFrontier ? paint("--ink") : paint("--ink-3"),
      fontWeight: onFrontier ? 600 : 400,
    },
    dot,
  });

  const drawSeries = (series, members, x, y, paint) => {
    const colour = paint(colourOf(series.style));
    return [
      {
        id: `curve ${series.id}`,
        type: "line",
        data: series.dots.map((dot) => [at(x, dot), at(y, dot)]),
        showSymbol: false,
        silent: true,
        tooltip: { show: false },
        lineStyle: { color: colour, width: 1.5, opacity: 0.5 },
        z: 2,
      },
      {
        id: `dots ${series.id}`,
        type: "scatter",
        data: series.dots.map((dot) => dotItem(dot, x, y, members.has(dot.id), colour, paint)),
        symbol: `path://${symbolOf(series.style)}`,
        symbolSize: 12,
        cursor: "pointer",
        label: { show: true, position: "top", distance: 5, fontSize: 11, formatter: ({ data }) => load(data.dot) },
        labelLayout: { hideOverlap: true },
        emphasis: { scale: 1.35 },
        tooltip: { formatter: ({ data }) => dotTip(series, data.dot, x, y) },
        z: 4,
      },
    ];
  };

  const frontierLine = (view, front, x, y, paint) => {
    const dots = view.series.flatMap((series) => series.dots);
    const byId = new Map(dots.map((dot) => [dot.id, dot]));
    const points = front.filter((id) => byId.has(id)).map((id) => [at(x, byId.get(id)), at(y, byId.get(id))]);
    const edge = Math.max(...dots.map((dot) => at(x, dot)));
    return {
      id: "frontier",
      type: "line",
      data: staircase(points, x.better, edge),
      showSymbol: false,
      silent: true,
      tooltip: { show: false },
      lineStyle: { color: paint("--ink-2"), width: 1.75, join: "miter" },
      areaStyle: { color: paint("--ink"), opacity: 0.045, origin: "start" },
      z: 1,
    };
  };

  const ring = (view, shown, chosen, x, y, paint) => {
    const dot = view.series.filter(shown).flatMap((series) => series.dots).find((one) => one.id === chosen);
    return {
      id: "ring",
      type: "scatter",
      data: dot ? [[at(x, dot), at(y, dot)]] : [],
      symbol: "circle",
      symbolSize: 25,
      silent: true,
      tooltip: { show: false },
      itemStyle: { color: "transparent", borderColor: paint("--ink"), borderWidth: 2 },
      z: 3,
    };
  };

  const describe = (view, members, x, y) => {
    const dots = view.series.flatMap((series) => series.dots);
    const best = dots.reduce((top, dot) => (at(y, dot) > at(y, top) ? dot : top), dots[0]);
    return `Scatter chart of ${dots.length} dots in ${view.series.length} configurations, ${members.size} on the frontier. ` +
      `Highest ${y.name.toLowerCase()}: ${number(at(y, best))} ${y.unit} at ${number(at(x, best))} ${x.unit}. The table below has every number.`;
  };

  // state: {x, y, dot, hidden: Set of style numbers}
  const measured = (view, state, narrow) => {
    const paint = colours();
    const [x, y] = [X[state.x], Y[state.y]];
    const front = view.frontiers[`${state.x}.${state.y}`] || [];
    const members = new Set(front);
    const shown = (series) => !state.hidden.has(series.style);
    const better = x.better === "higher" ? "better →" : "← better";
    return {
      ...frame(paint, `${x.name} (${x.unit})   ${better}`, `${y.name} (${y.unit})`, narrow),
      aria: { enabled: true, label: { description: describe(view, members, x, y) } },
      series: [
        frontierLine(view, front, x, y, paint),
        ...view.series.filter(shown).flatMap((series) => drawSeries(series, members, x, y, paint)),
        ring(view, shown, state.dot, x, y, paint),
      ],
    };
  };

  const DASHES = ["solid", "dashed", "dotted"];

  const published = (group, narrow) => {
    const paint = colours();
    return {
      ...frame(paint, "Interactivity (tok/s/user, 1/TPOT)   better →", "Output (tok/s/GPU, derived)", narrow),
      series: group.series.map((series, style) => ({
        id: `published ${style}`,
        type: "line",
        data: series.dots.map((dot) => ({ value: [dot.interactivity_tok_per_s, dot.output_tok_per_s_per_gpu], row: dot.row })),
        symbol: `path://${symbolOf(style)}`,
        symbolSize: 9,
        lineStyle: { color: paint(`--muted-${style % 7}`), width: 1.25, type: DASHES[style % DASHES.length] },
        itemStyle: { color: paint("--card-2"), borderColor: paint(`--muted-${style % 7}`), borderWidth: 1.5 },
        tooltip: {
          formatter: ({ data }) => tip(series.label, [
            ["Concurrency", String(data.row.concurrency)],
            ["Interactivity", `${number(data.value[0])} tok/s/user`],
            ["Output, derived", `${number(data.value[1])} tok/s/GPU`],
            ["Measured", data.row.measured_on],
          ], "Published elsewhere, not measured here"),
        },
      })),
    };
  };

  return { X, Y, measured, published };
})();
