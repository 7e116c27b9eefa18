/* Charts, drawn by uPlot from the numbers that the page holds anyway (data-chart); the table below says the same.
   Rules: nothing is fetched; colours are the style sheet's (.series-0 ...), so they follow the theme;
   the arrow keys walk through the points, and what is under the cursor is written beside it. */
(() => {
  const HEIGHT = 300;
  const drawn = new Map(); // figure -> its chart

  /* A token is a pair of colours; only an element knows which of them holds now. */
  function colour(figure, name) {
    const probe = document.createElement("i");
    probe.className = name;
    figure.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function faded(found, share) {
    return `color-mix(in srgb, ${found} ${share}%, transparent)`;
  }

  const grouped = new Intl.NumberFormat("en", {maximumFractionDigits: 2});
  const write = (value) => (value == null ? "–" : grouped.format(value).replaceAll(",", "\u2009"));

  /* Stacked bars are drawn from the tallest sum down to the first part; what is below zero hangs on its own. */
  function stacked(chart) {
    const sums = chart.labels.map(() => 0);
    const up = chart.series.filter((one) => one.data.every((value) => value >= 0));
    const sides = new Map();
    for (const one of up) {
      one.data.forEach((value, index) => { sums[index] += value; });
      sides.set(one, [...sums]);
    }
    return chart.series.map((one) => sides.get(one) ?? one.data);
  }

  function lines(figure, chart) {
    return chart.series.map((one, index) => {
      const stroke = colour(figure, `series-${index}`);
      return {
        label: one.label, stroke, width: 2, points: {show: chart.labels.length < 3, size: 7, fill: stroke},
        fill: chart.series.length === 1 ? faded(stroke, 10) : undefined,
      };
    });
  }

  /* The interval that is not over yet is dashed: as a plain line it would look like a fall. */
  function unfinished(chart, values) {
    return (plot) => {
      const last = chart.labels.length - 1;
      if (!chart.partial || last < 1) return;
      const {ctx} = plot;
      ctx.save();
      plot.series.slice(1).forEach((one, index) => {
        const [from, to] = values[index].slice(-2);
        if (from == null || to == null) return;
        ctx.beginPath();
        ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
        ctx.strokeStyle = one.stroke();
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.moveTo(plot.valToPos(last - 1, "x", true), plot.valToPos(from, "y", true));
        ctx.lineTo(plot.valToPos(last, "x", true), plot.valToPos(to, "y", true));
        ctx.stroke();
      });
      ctx.restore();
    };
  }

  function bars(figure, chart) {
    const path = uPlot.paths.bars({size: [0.7, 56]});
    return chart.series.map((one, index) => {
      const fill = colour(figure, `series-${index}`);
      return {label: one.label, stroke: fill, fill, width: 0, paths: path, points: {show: false}};
    });
  }

  function axis(figure, more) {
    return {
      stroke: colour(figure, "axis-ink"), font: "12px Inter, system-ui, sans-serif", ticks: {show: false},
      grid: {stroke: colour(figure, "axis-line"), width: 1}, ...more,
    };
  }

  function tip(figure, chart) {
    const box = document.createElement("div");
    box.className = "tip";
    box.hidden = true;
    return {
      hooks: {
        ready: (plot) => { plot.over.append(box); },
        setCursor: (plot) => {
          const at = plot.cursor.idx;
          box.hidden = at == null;
          if (at == null) return;
          box.replaceChildren(line("strong", chart.labels[at] + (chart.partial && at === chart.labels.length - 1 ? ", so far" : "")));
          chart.series.forEach((one, index) => {
            const row = line("span", one.label);
            row.prepend(swatch(index));
            row.append(line("b", write(one.data[at]) + (chart.unit ?? "")));
            box.append(row);
          });
          const left = plot.valToPos(at, "x");
          box.classList.toggle("flipped", left > plot.over.clientWidth / 2);
          box.style.left = `${left}px`;
        },
      },
    };
  }

  function line(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }

  function swatch(index) {
    const made = document.createElement("i");
    made.className = `swatch series-${index}`;
    return made;
  }

  function draw(figure) {
    const chart = JSON.parse(figure.dataset.chart);
    const isStack = chart.style === "stack";
    const values = isStack ? stacked(chart) : chart.series.map((one) => one.data);
    const isDashed = !isStack && chart.partial && chart.labels.length > 1;
    const series = isStack ? bars(figure, chart) : lines(figure, chart);
    const order = chart.series.map((_, index) => index);
    if (isStack) order.reverse(); // the lowest part is drawn last, over the others
    const [least, most] = [Math.min(...values.flat()), Math.max(...values.flat())];
    drawn.get(figure)?.destroy();
    figure.hidden = false;
    const plot = new uPlot({
      width: figure.clientWidth, height: HEIGHT, legend: {show: false}, padding: [16, 24, 0, 0],
      cursor: {y: false, points: {show: !isStack}, drag: {x: false, y: false}},
      scales: {
        x: {time: false, range: (_, from, to) => (isStack || from === to ? [from - 0.5, to + 0.5] : [from, to])},
        y: {range: () => [Math.min(0, least * 1.1), chart.unit === "%" ? 100 : Math.max(1, most * 1.1)]},
      },
      axes: [
        axis(figure, {
          grid: {show: false}, space: 80, size: 32, incrs: [1, 2, 3, 7, 14, 30, 60, 90, 180, 365],
          values: (_, splits) => splits.map((at) => chart.labels[at] ?? ""),
        }),
        axis(figure, {size: 52, values: (_, splits) => splits.map((value) => write(Math.abs(value)) + (chart.unit ?? ""))}),
      ],
      series: [{}, ...order.map((index) => series[index])],
      hooks: {draw: isStack ? [] : [unfinished(chart, values)]},
      plugins: [tip(figure, chart)],
    }, [chart.labels.map((_, index) => index), ...order.map((index) => (isDashed ? [...values[index].slice(0, -1), null] : values[index]))], figure);
    drawn.set(figure, plot);
  }

  function walk(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    const plot = drawn.get(event.target);
    if (!step || !plot) return;
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const at = Math.min(last, Math.max(0, plot.cursor.idx == null ? last : plot.cursor.idx + step));
    plot.setCursor({left: plot.valToPos(at, "x"), top: 0});
  }

  function all() {
    for (const [figure, plot] of drawn) if (!figure.isConnected) { plot.destroy(); drawn.delete(figure); }
    for (const figure of document.querySelectorAll("[data-chart]")) draw(figure);
  }

  const sizes = new ResizeObserver(() => {
    for (const [figure, plot] of drawn) {
      if (figure.clientWidth && figure.clientWidth !== plot.width) plot.setSize({width: figure.clientWidth, height: HEIGHT});
    }
  });
  sizes.observe(document.getElementById("main"));
  document.addEventListener("keydown", walk);
  document.addEventListener("htmx:after:swap", all);
  new MutationObserver(all).observe(document.documentElement, {attributeFilter: ["data-theme"]});
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
})();
