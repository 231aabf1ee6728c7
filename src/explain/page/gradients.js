/* The page of one or several reports (docs/explain-json.md): a graph that is walked forward and back, step by step. */
(function () {
  'use strict';
  const { $, say, make, digits, shapeOf, count, short, gridOf, most, heat, part } = Ebb;
  const WORDS = {
    en: {
      start: 'Nothing is computed yet. Each machine takes values and hands its product on; Play sends them through.',
      saves: 'It keeps for the way back:', nothing: 'It keeps nothing for the way back.', upstream: 'What comes back from above:',
      gives: 'It hands back:', adds: (k, n) => `the ${k}${k === 1 ? 'st' : k === 2 ? 'nd' : k === 3 ? 'rd' : 'th'} of ${n} paths that are added here`,
      sofar: 'together so far', with: 'with', complete: 'All its paths have come: its gradient is complete and goes to', details: 'Node', graph: 'The graph', choose: 'Point at a node, or move to one with Tab.',
      gradients: 'Gradients', gradient: 'gradient', value: 'value', differences: 'finite differences', differ: 'differ by', shape: 'shape',
      formula: 'formula', saved: 'saved', bytes: 'bytes', source: 'source', operator: 'operator', kind: { variable: 'variable', constant: 'constant', operation: 'operation' },
      mask: 'mask: where the derivative is 1', heldall: b => b ? `For backward the graph holds ${b} bytes beyond the variables.` : 'For backward the graph holds nothing beyond the variables.',
      shared: 'costs nothing more', keys: 'Keys: <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Space</kbd> play, <kbd>Home</kbd> <kbd>End</kbd>, <kbd>Tab</kbd> to the nodes.',
      large: (n, m) => `${n} nodes: the tape is shown, ${m} around the step.`, summed: 'It has several elements: what is differentiated is their sum.' },
    zh: {
      start: '还什么都没有算。每台机器取走原料，把产品传下去；按“播放”让数据流过去。',
      saves: '为反向保存：', nothing: '反向不需要它保存任何东西。', upstream: '上游传回的梯度：',
      gives: '它往回传：', adds: (k, n) => `在此相加的 ${n} 条路径中的第 ${k} 条`, sofar: '目前之和', with: '其中', complete: '所有路径都到了：梯度已完整，写入',
      details: '节点', graph: '计算图', choose: '指向一个节点，或用 Tab 键移到节点上。', gradients: '梯度', gradient: '梯度', value: '值', differences: '有限差分', differ: '相差',
      shape: '形状', formula: '公式', saved: '保存', bytes: '字节', source: '位置', operator: '算子', kind: { variable: '变量', constant: '常量', operation: '运算' },
      mask: '掩码：导数为 1 之处', heldall: b => b ? `除变量外，计算图为反向保存了 ${b} 字节。` : '除变量外，计算图没有为反向保存任何东西。',
      shared: '不另占内存', keys: '按键：<kbd>←</kbd> <kbd>→</kbd> 单步，<kbd>空格</kbd> 播放，<kbd>Home</kbd> <kbd>End</kbd>，<kbd>Tab</kbd> 移到节点。',
      large: (n, m) => `共 ${n} 个节点：显示当前步骤附近的 ${m} 个。`, summed: '它有多个元素：求导的是它们的和。' }
  };
  const SVG = 'http://www.w3.org/2000/svg', NEAR = 24;
  let chosen = -1, shown = -1; /* the node the reader chose, at this step */
  const draw = (tag, attributes, text) => {
    const e = document.createElementNS(SVG, tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  /* ---- the report ---- */
  const report = () => Ebb.item.report;
  const output = (node, k) => report().nodes[node].outputs[k || 0];
  const lastStep = () => report().forward.length + report().backward.length;
  const steps = () => { const r = report(), f = r.forward.length; return Ebb.at === 0 ? null : Ebb.at <= f ? { forward: r.forward[Ebb.at - 1] } : { back: r.backward[Ebb.at - f - 1] }; };

  function position() { /* what is known after the step: nodes with values, gradients with how much has come */
    const r = report(), f = r.forward.length, known = new Set(), arrived = {}, total = {}, lit = new Set(), backed = new Set();
    r.nodes.forEach(n => { if (n.kind !== 'operation') known.add(n.id); });
    for (let i = 0; i < Math.min(Ebb.at, f); i++) {
      known.add(r.forward[i]);
      r.nodes[r.forward[i]].inputs.forEach((x, k) => lit.add(`e${r.forward[i]}_${k}`));
    }
    for (let i = 0; i < Ebb.at - f; i++) {
      const s = r.backward[i];
      s.upstream && s.upstream.forEach(u => { if (s.node === r.root.node) total[`${s.node}.${u.output}`] = u.value; });
      (s.gives || []).forEach(g => {
        const key = `${g.to}.${g.output}`;
        arrived[key] = (arrived[key] || 0) + 1;
        total[key] = g.total || g.value;
        backed.add(`e${s.node}_${g.input}`);
      });
    }
    return { known, arrived, total, lit, backed };
  }

  /* ---- drawing ---- */
  let shapes = {}, edges = {};
  function label(node, cls) { return shapes[node] && shapes[node].querySelector('text.' + cls); }

  function prepare() { /* Graphviz's drawing: its texts get roles, its nodes can be chosen */
    const graph = $('stage');
    graph.textContent = '';
    shapes = {};
    edges = {};
    if (!Ebb.item.svg) return;
    graph.innerHTML = Ebb.item.svg;
    const svg = graph.querySelector('svg'), width = parseFloat(svg.getAttribute('width'));
    graph.classList.toggle('wide', width > 1400);
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    svg.style.width = `${width * 4 / 3}px`;
    svg.querySelectorAll('title').forEach(t => t.remove());
    svg.querySelectorAll('[id^="n"]').forEach(g => {
      const id = Number(g.id.slice(1)), texts = g.querySelectorAll('text');
      if (Number.isNaN(id)) return;
      shapes[id] = g;
      const box = g.querySelector('path, polygon').getBBox();
      texts[texts.length - 2].classList.add('value');
      texts[texts.length - 1].classList.add('gradient');
      g.querySelectorAll('.value, .gradient').forEach(t => {
        t.setAttribute('x', box.x + box.width / 2);
        t.setAttribute('text-anchor', 'middle');
      });
      choosable(g, id);
    });
    svg.querySelectorAll('[id^="e"]').forEach(g => { edges[g.id] = g; });
  }

  function choosable(g, id) {
    g.setAttribute('tabindex', '0');
    g.setAttribute('role', 'img');
    g.addEventListener('pointerenter', () => choose(id));
    g.addEventListener('focus', () => choose(id));
    g.addEventListener('click', () => choose(id));
  }

  /* A graph too large to lay out: the tape around the step, edges as arcs beside it. */
  function tape(now) {
    const r = report(), graph = $('stage'), all = r.nodes.filter(n => !n.number).map(n => n.id);
    const centre = Math.max(0, all.indexOf(now)), first = Math.max(0, Math.min(centre - NEAR / 2, all.length - NEAR)), ids = all.slice(first, first + NEAR), row = {};
    const H = 34, W = 640, left = 190, svg = draw('svg', { viewBox: `0 0 ${W} ${ids.length * H + 8}` });
    ids.forEach((id, i) => { row[id] = i * H + 18; });
    graph.textContent = '';
    shapes = {};
    edges = {};
    ids.forEach(id => (r.nodes[id].inputs || []).forEach((x, k) => {
      if (x.node === undefined || r.nodes[x.node].number) return;
      const to = row[id], from = row[x.node] === undefined ? -10 : row[x.node], bend = Math.min(170, 14 + (to - from) / 4);
      const g = draw('g', { id: `e${id}_${k}`, class: 'edge' });
      g.append(draw('path', { d: `M${left},${from} C${left - bend},${from} ${left - bend},${to} ${left},${to}` }));
      edges[g.id] = g;
      svg.append(g);
    }));
    ids.forEach(id => {
      const n = r.nodes[id], y = row[id], g = draw('g', { id: `n${id}`, class: `node ${n.kind}` });
      g.append(draw('rect', { class: 'box', x: left, y: y - 14, width: W - left - 8, height: 28, rx: 5 }));
      g.append(draw('text', { x: left + 8, y: y + 5, 'font-size': 13 }, n.name + (n.text ? ' = ' + (n.text.length > 26 ? n.text.slice(0, 25) + '…' : n.text) : '')));
      g.append(draw('text', { class: 'value', x: W - 130, y: y + 5, 'font-size': 12, 'text-anchor': 'end' }));
      g.append(draw('text', { class: 'gradient', x: W - 14, y: y + 5, 'font-size': 12, 'text-anchor': 'end' }));
      shapes[id] = g;
      choosable(g, id);
      svg.append(g);
    });
    graph.append(svg);
  }

  function small(g, text, v) { /* a tensor in a node: squares in the place of its text */
    const old = g.querySelector('g.' + text.classList[0]);
    if (old) old.remove();
    if (!v || count(v) < 2 || (!v.data && !v.grid)) return false;
    const grid = gridOf(v), largest = most(grid);
    const inRow = text.getAttribute('text-anchor') === 'end', size = Math.min(9, 50 / grid.columns, 22 / grid.rows);
    const x = Number(text.getAttribute('x')), y = Number(text.getAttribute('y')), first = text.classList[0] === 'value';
    const x0 = inRow || first ? x - size * grid.columns - (inRow ? 0 : 4) : x + 4; /* the value before its gradient, */
    const middle = inRow ? y - 4 : first ? y + 3 : y - 10, y0 = middle - size * grid.rows / 2; /* between the two lines */
    const h = draw('g', { class: text.classList[0] });
    for (let i = 0; i < grid.rows; i++)
      for (let j = 0; j < grid.columns; j++) {
        const c = grid.data[i * grid.columns + j];
        h.append(draw('rect', { x: x0 + j * size, y: y0 + i * size, width: size * .9, height: size * .9,
          style: `fill:rgba(var(${c < 0 ? '--cell-minus' : '--cell'}),${(.12 + Math.abs(c) / largest * .8 || .1).toFixed(2)})` }));
      }
    g.append(h);
    return true;
  }

  function joined(g, text, k, n) { /* "2/3": how many of the paths that join here have come */
    const old = g.querySelector('g.joins');
    if (old) old.remove();
    if (!k || n < 2) return;
    const box = g.getBBox(), b = draw('g', { class: 'joins' }), x = box.x + box.width - 14, y = box.y - 4;
    b.append(draw('rect', { x: x - 6, y, width: 30, height: 14, rx: 7 }));
    b.append(draw('text', { x: x + 9, y: y + 11, 'text-anchor': 'middle' }, `+ ${k}/${n}`));
    g.append(b);
  }

  const named = n => n.text ? `${n.name} = ${n.text}` : n.name;
  function show(animate) {
    const r = report(), s = steps(), now = s ? s.forward !== undefined ? s.forward : s.back.node : -1;
    if (!Ebb.item.svg) tape(now < 0 ? r.forward[0] : now);
    const p = position();
    for (const [id, g] of Object.entries(shapes)) {
      const o = output(id), key = `${id}.0`, known = p.known.has(Number(id)), grad = p.total[key];
      g.classList.toggle('waits', !known);
      g.classList.toggle('now', Number(id) === now);
      const v = label(id, 'value'), d = label(id, 'gradient');
      v.textContent = known && !small(g, v, o.value) ? short(o.value) : '';
      if (!known) small(g, v, null);
      d.textContent = grad && !small(g, d, grad) ? '∂ ' + short(grad) : '';
      if (!grad) small(g, d, null);
      joined(g, d, p.arrived[key], o.uses);
      g.setAttribute('aria-label', named(r.nodes[id]) + (known ? `: ${short(o.value)}` : '') + (grad ? `; ${say().gradient} ${short(grad)}` : ''));
    }
    for (const [id, g] of Object.entries(edges)) {
      g.classList.toggle('lit', p.lit.has(id));
      g.classList.toggle('back', p.backed.has(id));
    }
    const svg = $('stage').querySelector('svg');
    svg.setAttribute('role', 'group');
    svg.setAttribute('aria-label', say().graph);
    tell(s);
    const place = s && r.nodes[now].source;
    Ebb.title(r.expression || Ebb.both(Ebb.item.title), place && place.end ? place : null);
    gradients(p);
    if (shown !== Ebb.at) chosen = -1;
    shown = Ebb.at;
    if (chosen >= 0) choose(chosen);
    else if (now >= 0) details(now);
    if (animate && s) travel(s);
    if (shapes[now]) reveal(shapes[now]);
  }

  function reveal(g) { /* the graph is moved, the page is not */
    const graph = $('stage'), node = g.getBoundingClientRect(), seen = graph.getBoundingClientRect();
    if (node.top < seen.top || node.bottom > seen.bottom) graph.scrollTop += (node.top + node.bottom - seen.top - seen.bottom) / 2;
    if (node.left < seen.left || node.right > seen.right) graph.scrollLeft += (node.left + node.right - seen.left - seen.right) / 2;
  }

  /* Values go along the edges of the step, gradients come back along them. */
  function travel(s) {
    const r = report(), list = s.forward !== undefined
      ? r.nodes[s.forward].inputs.map((x, k) => x.node === undefined || r.nodes[x.node].number ? null : [`e${s.forward}_${k}`, output(x.node, x.output).value, false])
      : (s.back.gives || []).map(g => [`e${s.back.node}_${g.input}`, g.value, true]);
    for (const item of list) {
      const g = item && edges[item[0]], path = g && g.querySelector('path');
      if (!path) continue;
      const token = draw('g', { class: item[2] ? 'token back' : 'token' }), length = path.getTotalLength(), start = performance.now();
      token.append(draw('circle', { r: 5 }), draw('text', { x: 8, y: 4 }, short(item[1])));
      g.parentNode.append(token);
      const move = t => {
        const part = Math.min(1, (t - start) / 700), point = path.getPointAtLength(length * (item[2] ? 1 - part : part));
        token.setAttribute('transform', `translate(${point.x},${point.y})`);
        if (part < 1) requestAnimationFrame(move); else token.remove();
      };
      requestAnimationFrame(move);
    }
  }

  /* ---- words beside the graph ---- */
  function tell(s) {
    const box = $('now'), r = report(), w = say();
    box.textContent = '';
    box.classList.toggle('back', !!(s && s.back));
    if (!s) { box.append(w.start); return; }
    if (s.forward !== undefined) {
      const n = r.nodes[s.forward], saved = n.saved || [];
      box.append(make('b', {}, `${n.name} = ${n.text}`), ` = `, make('b', {}, short(n.outputs[0].value)), make('br'),
        saved.length ? `${w.saves} ${saved.map(x => x.name).join(', ')}` : w.nothing);
      return;
    }
    const b = s.back, n = r.nodes[b.node];
    if (b.kind === 'accumulate') {
      box.append(make('b', {}, n.name), ` — ${w.complete} `, make('b', {}, `${n.name}.grad`), ' = ', make('b', {}, short(n.outputs[0].gradient)));
      return;
    }
    box.append(make('b', {}, `${n.name} = ${n.text}`), ` (${n.node})`, make('br'));
    (b.upstream || []).forEach(u => box.append(`${w.upstream} `, make('b', {}, `${u.symbol} = ${short(u.value)}`), make('br')));
    (b.gives || []).forEach(g => {
      box.append(`${w.gives} `, make('b', {}, `${g.symbol} = ${g.formula || Ebb.both(g.words)}`), ` = `, make('b', {}, short(g.value)));
      if (g.definitions) box.append(` (${w.with} `, make('b', {}, g.definitions), ')');
      if (g.shapes) box.append(` ${g.shapes}`);
      if (g.of > 1) box.append(` — ${w.adds(g.arrival, g.of)}` + (g.total ? `, ${w.sofar} ${short(g.total)}` : ''));
      box.append(make('br'));
    });
  }

  function details(id) {
    const n = report().nodes[id], w = say(), list = make('dl');
    const add = (name, ...value) => list.append(make('dt', {}, name), make('dd', {}, ...value));
    add(w.kind[n.kind], make('span', { class: 'formula' }, named(n)));
    if (n.op) add(w.operator, `${n.op}${n.attributes ? ` (${n.attributes})` : ''}, ${n.node}${n.part ? `, ${Ebb.both(n.part)}` : ''}`, n.doc ? make('div', { class: 'about', lang: 'en' }, n.doc) : null);
    n.outputs.forEach(o => {
      if (n.outputs.length > 1) add(o.role || '', o.name);
      add(w.shape, `${shapeOf(o)}, ${o.dtype}`);
      if (o.value) add(w.value, heat(o.value));
      if (o.gradient && Ebb.at > report().forward.length) add(w.gradient, heat(o.gradient));
    });
    if (n.mask) add(w.mask, heat(n.mask));
    const step = report().backward.find(s => s.node === id && s.gives && s.gives.length);
    if (step) add(w.formula, step.gives.map(g => make('div', { class: 'formula' }, `${g.symbol} = ${g.formula || Ebb.both(g.words)}${g.definitions ? `, ${w.with} ${g.definitions}` : ''}`)));
    if (n.saved && n.saved.length) add(w.saved, n.saved.map(s => make('div', {}, `${s.name}, ${s.bytes} ${w.bytes}${s.shared ? ` (${w.shared})` : ''}`)));
    if (n.source && n.source.file) add(w.source, `${n.source.file}:${n.source.line}`);
    else if (n.source && report().expression) add(w.source, make('code', {}, part(report().expression, n.source)));
    $('details').replaceChildren(list);
  }
  function choose(id) { chosen = id; details(id); }

  function gradients(p) {
    const r = report(), w = say(), head = make('tr', {}, [w.gradient, w.shape, w.value, w.differences, w.differ].map(t => make('th', {}, t)));
    const root = output(r.root.node, r.root.output).name, rows = r.gradients.map(g => {
      const seen = p.total[`${g.node}.0`], c = g.check;
      return make('tr', { 'data-name': g.name, 'data-gradient': seen ? JSON.stringify(seen.data || seen.grid) : undefined },
        make('td', { class: 'formula' }, `d${root}/d${g.name}`), make('td', {}, shapeOf(output(g.node))),
        make('td', {}, seen ? heat(seen) : '·'), make('td', {}, seen && c && c.differences ? heat(c.differences) : '·'),
        make('td', { class: !c ? undefined : c.ok ? 'good' : 'bad' }, c && seen ? `${Number(c.worst).toExponential(1)} ${c.ok ? '✓' : '✗'}` : '·'));
    });
    $('gradients').replaceChildren(make('thead', {}, head), make('tbody', {}, rows));
    $('held').textContent = w.heldall(r.saved_bytes) + (r.root.summed ? ' ' + w.summed : '');
  }

  /* ---- the page ---- */
  function turn() {
    const head = id => make('h2', { id: `title-${id}` });
    chosen = -1;
    $('stage').className = 'graph';
    $('beside').replaceChildren(head('gradients'), make('div', { class: 'tables' }, make('table', { id: 'gradients', 'aria-labelledby': 'title-gradients' })),
      make('p', { class: 'about', id: 'held' }), head('details'), make('div', { id: 'details' }));
    prepare();
  }
  function speak() {
    const w = say(), r = report();
    $('title-details').textContent = w.details;
    $('title-gradients').textContent = w.gradients;
    $('details').textContent = w.choose;
    $('about').textContent = Ebb.both(Ebb.item.text) + (Ebb.item.svg ? '' : ' ' + w.large(r.nodes.length, NEAR));
  }
  function wish(wishes) { if (wishes.get('node')) choose(Number(wishes.get('node'))); }
  Ebb.start({ words: WORDS, number: 0, pace: 1000, last: lastStep, turn, speak, show, wish });
})();
