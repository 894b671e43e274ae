"use strict";
// The panel that says where one dot comes from.
inferfleet.provenance = (() => {
  const { number, element, loadText, swatch } = inferfleet;
  const UNKNOWN = "not recorded";

  const count = (value) => value.toLocaleString("en-US");
  const share = (value) => (value === null ? UNKNOWN : `${(value * 100).toFixed(1)} %`);
  const line = (name, value, mono) => [
    element("dt", { text: name }),
    element("dd", { text: value === null || value === "" ? UNKNOWN : String(value), className: mono ? "mono" : "" }),
  ];
  const block = (title, lines) => [element("h4", { text: title }), element("dl", {}, lines.flat())];

  const evidence = ({ figures, origin }) => block("Evidence", [
    line("Outcome", origin.outcome),
    line("Requests", `${count(figures.requests)} ended well`),
    line("Nights", figures.nights === 1 ? "1 (no spread known)" : count(figures.nights)),
    line("Spread of output", figures.spread === null ? UNKNOWN : `${share(figures.spread)} (max − min) / median`),
    line("Goodput", figures.goodput_requests_per_s === null ? "no limits set" :
      `${number(figures.goodput_requests_per_s)} requests/s, ${share(figures.goodput_share)} of all within ${origin.goodput_limits}`),
    line("Output length", origin.length_ratio === null ? UNKNOWN : `${share(origin.length_ratio)} of what was asked`),
  ]);

  const run = ({ origin }) => block("Newest run behind it", [
    line("Run", origin.run_id, true),
    line("Night", origin.night),
    line("Attempt", origin.attempt),
    line("Job", origin.job_id, true),
    line("Point", origin.point_id, true),
    line("Duration", `${number(origin.duration_s)} s`),
    line("Seed", origin.seed, true),
    line("Git", origin.git_sha, true),
  ]);

  const server = ({ origin }) => block("Server", [
    line("Host", origin.host, true),
    line("Engine", [origin.engine, origin.engine_version].filter(Boolean).join(" ")),
    line("Precision", origin.precision),
    line("Image", origin.image === null ? "none (a process on the host)" : origin.image, true),
    line("Recipe", origin.recipe, true),
    line("Recipe digest", origin.recipe_digest, true),
    line("Server arguments digest", origin.server_args_digest, true),
  ]);

  const client = ({ origin, concurrency, rate_per_s: rate }) => {
    const achieved = origin.client_achieved_concurrency;
    const delay = origin.client_stamp_delay_p99_s;
    return block("Client budget", [
      line("In flight", achieved === null ? UNKNOWN : `${number(achieved)} of ${rate === null ? `${concurrency} asked` : `${concurrency} at most`}`),
      line("Client CPU", origin.client_cpu_share === null ? UNKNOWN : `${share(origin.client_cpu_share)} of one core${origin.client_workers > 1 ? `, the busiest of ${origin.client_workers} processes` : ""}`),
      line("Stamp delay p99", delay === null ? "no kernel stamps" : `${number(delay * 1e6)} µs (already removed)`),
    ]);
  };

  const figure = (axis, dot) => element("div", {}, [
    element("b", { text: number(dot.figures[axis.key] * axis.scale) }),
    element("span", { text: `${axis.name}, ${axis.unit}` }),
  ]);

  // Replaces the panel's content; `close` is called by its button.
  const show = (panel, series, dot, axes, close) => {
    const button = element("button", { type: "button", className: "close", "aria-label": "Close", text: "×" });
    button.addEventListener("click", close);
    panel.replaceChildren(
      element("header", {}, [
        swatch(series.style, false),
        element("h3", { id: "provenance-title", text: `${series.label} · ${loadText(dot)}` }),
        button,
      ]),
      element("div", { className: "big" }, axes.map((axis) => figure(axis, dot))),
      ...evidence(dot), ...run(dot), ...server(dot), ...client(dot),
    );
    panel.classList.add("open");
  };

  return { show };
})();
