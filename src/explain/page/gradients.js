/* The page of one or several reports (docs/explain-json.md): a graph that is walked forward and back, step by step. */
(function () {
  'use strict';
  const { $, say, make, digits, shapeOf, count, short, equals, gridOf, most, heat, hot, part, calm } = Ebb;
  const WORDS = {
    en: {
      start: 'Nothing is computed yet. Each machine takes values and hands its product on; Play sends them through.',
      shapes: 'shapes: ', saves: 'It keeps for the way back: ', nothing: 'It keeps nothing for the way back.', upstream: 'What comes back from above: ',
      gives: 'It hands back: ', adds: (k, n) => `the ${k}${k === 1 ? 'st' : k === 2 ? 'nd' : k === 3 ? 'rd' : 'th'} of ${n} paths that are added here`,
      sofar: 'together so far', with: 'with', complete: n => (n > 1 ? `${n === 2 ? 'Both' : `All ${n}`} paths have come: the gradient is complete` : 'The gradient is complete') + ' and goes to ', details: 'Node', graph: 'The graph: up and down go from node to node, Enter to the step of one', choose: 'Point at a node, or move to one with the keys.',
      gradients: 'Gradients', gradient: 'gradient', value: 'value', differences: 'finite differences', differ: 'differ by', shape: 'shape',
      hessian: 'Second derivatives (the Hessian)',
      hessianlarge: (n, m) => `The variables have ${n} elements together; second derivatives are shown for up to ${m}.`,
      tangents: 'Forward mode', moves: x => `as ${x} moves`, rate: 'At what rate each value moves when one variable does, at rate 1 in every element: known as soon as the value is.', onlyfirst: (n, m) => `The first ${n} of ${m} variables.`,
      and: '; ', sum: 'sum of the elements', expected: 'sum of the gradient\'s elements', tangent: 'Forward mode: ', moved: (x, v, y) => `${y} moves at ${v} as ${x} does`,
      formula: 'formula', saved: 'saved', bytes: 'bytes', source: 'source', operator: 'operator', kind: { variable: 'variable', constant: 'constant', operation: 'operation' },
      mask: 'mask: where the derivative is 1', heldall: b => b ? `For backward the graph holds ${b} bytes beyond the variables.` : 'For backward the graph holds nothing beyond the variables.',
      shared: ' (costs nothing more)', keys: 'Keys: <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Space</kbd> play, <kbd>Home</kbd> <kbd>End</kbd>, <kbd>Tab</kbd> to the graph, <kbd>↑</kbd> <kbd>↓</kbd> from node to node, <kbd>Enter</kbd> to its step.',
      large: (n, m) => `${n} nodes: the tape is shown, ${m} around the step.`, summed: 'It has several elements: what is differentiated is their sum.',
      legend: { leaf: 'variable', root: 'result', go: 'value', back: 'gradient', plus: 'positive', minus: 'negative', off: 'held back by the mask: derivative 0', joins: 'paths that have come and are added' } },
    zh: {
      start: '还什么都没有算。每台机器取走原料，把产品传下去；按“播放”让数据流过去。',
      shapes: '形状：', saves: '为反向保存：', nothing: '反向不需要它保存任何东西。', upstream: '上游传回的梯度：',
      gives: '它往回传：', adds: (k, n) => `在此相加的 ${n} 条路径中的第 ${k} 条`, sofar: '目前之和', with: '其中', complete: n => (n > 1 ? `${n} 条路径都到了：` : '') + '梯度已完整，写入 ',
      details: '节点', graph: '计算图：上下键逐个移动节点，回车键跳到该节点的一步', choose: '指向一个节点，或用按键移到节点上。', gradients: '梯度', gradient: '梯度', value: '值', differences: '有限差分', differ: '相差',
      hessian: '二阶导数（Hessian 矩阵）',
      hessianlarge: (n, m) => `变量共有 ${n} 个元素；二阶导数至多对 ${m} 个元素给出。`,
      tangents: '前向模式', moves: x => `${x} 变化时`, rate: '某个变量的每个元素都以速率 1 变化时，各个值的变化率：值一算出，它就随之得到。', onlyfirst: (n, m) => `${m} 个变量中的前 ${n} 个。`,
      and: '；', sum: '各元素之和', expected: '梯度各元素之和', tangent: '前向模式：', moved: (x, v, y) => `${x} 变化时，${y} 的变化率为 ${v}`,
      shape: '形状', formula: '公式', saved: '保存', bytes: '字节', source: '位置', operator: '算子', kind: { variable: '变量', constant: '常量', operation: '运算' },
      mask: '掩码：导数为 1 之处', heldall: b => b ? `除变量外，计算图为反向保存了 ${b} 字节。` : '除变量外，计算图没有为反向保存任何东西。',
      shared: '（不另占内存）', keys: '按键：<kbd>←</kbd> <kbd>→</kbd> 单步，<kbd>空格</kbd> 播放，<kbd>Home</kbd> <kbd>End</kbd>，<kbd>Tab</kbd> 移到计算图，<kbd>↑</kbd> <kbd>↓</kbd> 逐个移动节点，<kbd>Enter</kbd> 跳到它的一步。',
      large: (n, m) => `共 ${n} 个节点：显示当前步骤附近的 ${m} 个。`, summed: '它有多个元素：求导的是它们的和。',
      legend: { leaf: '变量', root: '结果', go: '值', back: '梯度', plus: '正', minus: '负', off: '被掩码挡住：导数为 0', joins: '已到达并相加的路径' } }
  };
  const SVG = 'http://www.w3.org/2000/svg', NEAR = 24, LEAST = 1, MOST = 1.5;
  let chosen = -1, shown = -1; /* the node the reader chose, at this step */
  let state = null; /* what is known after the step */
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
    const r = report(), f = r.forward.length, known = new Set(), arrived = {}, total = {}, lit = new Set(), backed = new Set(), added = [];
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
        if (g.of > 1) added.push([`e${s.node}_${g.input}`, g.value]);
      });
    }
    return { known, arrived, total, lit, backed, added };
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
    const grown = Math.max(1, Math.min(MOST, innerHeight / 2 / (parseFloat(svg.getAttribute('height')) * 4 / 3))); /* a small one is drawn larger */
    svg.style.width = `${width * 4 / 3 * grown}px`;
    svg.style.minWidth = `${width * LEAST}px`; /* rather scrolled than too small to be read */
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    svg.querySelectorAll('title').forEach(t => t.remove());
    svg.querySelectorAll('[id^="n"]').forEach(g => {
      const id = Number(g.id.slice(1)), texts = g.querySelectorAll('text');
      if (Number.isNaN(id)) return;
      shapes[id] = g;
      const box = g.querySelector('path, polygon').getBBox();
      texts[texts.length - 2].classList.add('value');
      texts[texts.length - 1].classList.add('gradient');
      g.dataset.middle = box.x + box.width / 2;
      g.querySelectorAll('.value, .gradient').forEach(t => {
        t.setAttribute('x', box.x + box.width / 2);
        t.setAttribute('text-anchor', 'middle');
      });
      choosable(g, id);
    });
    svg.querySelectorAll('[id^="e"]').forEach(g => { edges[g.id] = g; });
  }

  /* A node is a button: pointing at it tells about it, pressing it goes to its step. One of all is where Tab comes to. */
  function choosable(g, id) {
    g.setAttribute('tabindex', '-1');
    g.setAttribute('role', 'button');
    g.addEventListener('pointerenter', () => choose(id));
    g.addEventListener('focus', () => { reached(id); choose(id); reveal(g, false); });
    g.addEventListener('click', () => visit(id));
    g.addEventListener('keydown', e => {
      if (e.ctrlKey || e.altKey || e.metaKey) return;
      const ids = Object.keys(shapes).map(Number).sort((a, b) => a - b), next = ids[ids.indexOf(id) + { ArrowDown: 1, ArrowUp: -1 }[e.key]];
      if (next !== undefined) shapes[next].focus({ preventScroll: true });
      else if (e.key === 'Enter' || e.key === ' ') visit(id);
      else if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
      e.preventDefault();
    });
  }
  function reached(id) { for (const [k, g] of Object.entries(shapes)) g.setAttribute('tabindex', Number(k) === id ? '0' : '-1'); }
  function visit(id) { /* its step in the direction the walk goes */
    const r = report(), f = r.forward.length, ahead = r.forward.indexOf(id), back = r.backward.findIndex(s => s.node === id);
    const to = (Ebb.at > f || ahead < 0) && back >= 0 ? f + 1 + back : ahead >= 0 ? ahead + 1 : -1;
    if (to < 0) { choose(id); return; }
    Ebb.stop();
    Ebb.go(to, false);
  }

  /* A graph too large to lay out: the tape around the step, edges as arcs beside it. */
  function tape(now) {
    const r = report(), graph = $('stage'), all = r.nodes.filter(n => !n.number).map(n => n.id);
    const centre = Math.max(0, all.indexOf(now)), first = Math.max(0, Math.min(centre - NEAR / 2, all.length - NEAR)), ids = all.slice(first, first + NEAR), row = {};
    const narrow = graph.clientWidth < 480, H = 34, W = narrow ? 430 : 640, left = narrow ? 70 : 190, svg = draw('svg', { viewBox: `0 0 ${W} ${ids.length * H + 8}` });
    const focused = graph.contains(document.activeElement) && Number(document.activeElement.id.slice(1));
    ids.forEach((id, i) => { row[id] = i * H + 18; });
    graph.textContent = '';
    shapes = {};
    edges = {};
    ids.forEach(id => (r.nodes[id].inputs || []).forEach((x, k) => {
      if (x.node === undefined || r.nodes[x.node].number) return;
      const to = row[id], from = row[x.node] === undefined ? -10 : row[x.node], bend = Math.min(left - 20, 14 + (to - from) / 4);
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
    if (focused !== false) (shapes[focused] || shapes[now]).focus({ preventScroll: true });
  }

  const many = v => v && count(v) > 1 && (v.data || v.grid);
  /* A tensor as framed squares with their top left at (x, y); those that a mask holds back are crossed. */
  function squares(cls, grid, x, y, [across, down], mask) {
    const largest = most(grid), h = draw('g', { class: `squares ${cls}` });
    h.append(draw('rect', { class: 'frame', x: x - 1.5, y: y - 1.5, width: across * grid.columns + 3, height: down * grid.rows + 3, rx: 2 }));
    for (let i = 0; i < grid.rows; i++)
      for (let j = 0; j < grid.columns; j++) {
        const k = i * grid.columns + j, c = grid.data[k], x0 = x + j * across, y0 = y + i * down, at = (u, v) => `${x0 + u * across},${y0 + v * down}`;
        h.append(draw('rect', { class: Number.isFinite(Number(c)) ? 'square' : 'square odd', x: x0 + across * .05, y: y0 + down * .05, width: across * .9, height: down * .9,
          style: `fill:rgba(var(${c < 0 ? '--cell-minus' : '--cell'}),${(.08 + Math.abs(c) / largest * .87 || .08).toFixed(2)})` }));
        if (mask && !mask[k]) h.append(draw('path', { class: 'off', d: `M${at(.15, .15)}L${at(.85, .85)}M${at(.85, .15)}L${at(.15, .85)}` }));
      }
    return h;
  }

  const cell = (grid, width, height, largest) => { /* squares, but bars of what is much wider than high, or higher than wide */
    const across = Math.min(largest, width / grid.columns), down = Math.min(largest, height / grid.rows);
    return [Math.min(across, 4 * down), Math.min(down, 14 * across)].map(x => Math.max(across, down) > 2 * Math.min(across, down) ? x : Math.min(across, down));
  };

  /* What a node shows: texts, or squares in their place, the value's before the gradient's. */
  function fill(g, node, value, grad) {
    g.querySelectorAll('g.squares').forEach(old => old.remove());
    const GAP = 12, mask = report().nodes[node].mask, inRow = !Ebb.item.svg, box = g.querySelector('path, polygon, rect').getBBox(), texts = ['value', 'gradient'].map(role => label(node, role));
    const above = inRow ? 0 : Number(g.querySelector('text').getAttribute('y')) + 6, room = inRow ? 22 : box.y + box.height - 6 - above;
    const list = [['value', value], ['gradient', grad]].filter(([, v]) => many(v)).map(([role, v]) => ({ role, grid: gridOf(v) }));
    list.forEach(l => { l.size = cell(l.grid, inRow ? 50 : (box.width - GAP - 20) / 2, room, 12); l.width = l.size[0] * l.grid.columns; });
    let x = Number(g.dataset.middle) - list.reduce((sum, l) => sum + l.width, GAP * (list.length - 1)) / 2;
    for (const { role, grid, size, width } of list) {
      const text = texts[role === 'value' ? 0 : 1], middle = inRow ? Number(text.getAttribute('y')) - 4 : above + room / 2;
      if (inRow) x = Number(text.getAttribute('x')) - width;
      g.append(squares(role, grid, x, middle - size[1] * grid.rows / 2, size, mask && mask.data));
      x += width + GAP;
    }
    texts[0].textContent = value && !many(value) ? short(value) : '';
    texts[1].textContent = grad && !many(grad) ? '∂ ' + short(grad) : '';
  }

  /* A label on a pill. */
  function pill(cls, x, y, text) {
    const b = draw('g', { class: cls }), width = 10 + 6 * text.length;
    b.append(draw('rect', { x: x - width / 2, y: y - 8, width, height: 15, rx: 7.5 }), draw('text', { x, y: y + 3.5, 'text-anchor': 'middle' }, text));
    return b;
  }
  function joined(g, k, n) { /* "Σ 2/3": how many of the paths that join here have come */
    g.querySelectorAll('g.joins').forEach(old => old.remove());
    if (!k || n < 2) return;
    const box = g.querySelector('path, polygon, rect').getBBox(), right = box.x + box.width;
    g.append(pill(k === n ? 'joins' : 'joins part', Ebb.item.svg ? right + 10 : right - 100, box.y + (Ebb.item.svg ? 6 : box.height / 2), `Σ ${k}/${n}`));
  }
  /* What comes along each path that is added to others, on its edge. */
  function parts(list) {
    $('stage').querySelectorAll('g.addend').forEach(old => old.remove());
    if (!Ebb.item.svg) return;
    for (const [id, v] of list) {
      const path = edges[id] && edges[id].querySelector('path');
      if (!path || !count(v)) continue;
      const at = path.getPointAtLength(path.getTotalLength() * .5), grid = many(v) && gridOf(v), size = grid && cell(grid, 24, 20, 7);
      edges[id].parentNode.append(grid ? squares('gradient addend', grid, at.x - size[0] * grid.columns / 2, at.y - size[1] * grid.rows / 2, size) : pill('addend', at.x, at.y, digits(v.data[0], 4)));
    }
  }

  const named = n => n.text ? `${n.name} = ${n.text}` : n.name;
  function show(animate) {
    const r = report(), s = steps(), now = s ? s.forward !== undefined ? s.forward : s.back.node : -1;
    if (!Ebb.item.svg) tape(now < 0 ? r.forward[0] : now);
    const p = state = position();
    for (const [id, g] of Object.entries(shapes)) {
      const o = output(id), key = `${id}.0`, known = p.known.has(Number(id)), grad = p.total[key];
      g.classList.toggle('waits', !known);
      g.classList.toggle('now', Number(id) === now);
      if (Number(id) === now) g.setAttribute('aria-current', 'step'); else g.removeAttribute('aria-current');
      fill(g, id, known && o.value, grad);
      joined(g, p.arrived[key], o.uses);
      g.setAttribute('aria-label', named(r.nodes[id]) + (known && o.value ? say().is + short(o.value) : '') + (grad ? `; ${say().gradient} ${short(grad)}` : ''));
    }
    for (const [id, g] of Object.entries(edges)) {
      g.classList.toggle('lit', p.lit.has(id));
      g.classList.toggle('back', p.backed.has(id));
    }
    parts(p.added);
    if (!$('stage').querySelector('[tabindex="0"]') || !$('stage').contains(document.activeElement)) reached(shapes[now] ? now : Number(Object.keys(shapes)[0]));
    const svg = $('stage').querySelector('svg');
    svg.setAttribute('role', 'group');
    svg.setAttribute('aria-label', say().graph);
    tell(s);
    const place = s && r.nodes[now].source;
    Ebb.title(r.expression || Ebb.both(Ebb.item.title), place && place.end ? place : null);
    gradients(p);
    tangents(now, p.known);
    if (shown !== Ebb.at) chosen = -1;
    shown = Ebb.at;
    if (chosen >= 0) choose(chosen);
    else if (now >= 0) details(now);
    if (animate && s) travel(s);
    if (shapes[now]) reveal(shapes[now], animate);
  }

  function reveal(g, animate) { /* the graph is moved, the page is not: a node near its edge, or outside, comes to the middle */
    const graph = $('stage'), node = g.getBoundingClientRect(), seen = graph.getBoundingClientRect(), y = seen.height / 6, x = seen.width / 12;
    const top = node.top < seen.top + y || node.bottom > seen.bottom - y, left = node.left < seen.left + x || node.right > seen.right - x;
    if (top || left) graph.scrollBy({ top: top ? (node.top + node.bottom - seen.top - seen.bottom) / 2 : 0, left: left ? (node.left + node.right - seen.left - seen.right) / 2 : 0, behavior: animate && !calm() ? 'smooth' : 'instant' });
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
      token.append(draw('circle', { r: 5 }), draw('text', { x: 8, y: 4 }, Ebb.few(item[1]) ? short(item[1]) : shapeOf(item[1])));
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
      box.append(make('b', {}, `${n.name} = ${n.text}`), ...equals(n.outputs[0].value), make('br'),
        saved.length ? `${w.saves}${saved.map(x => x.name).join(', ')}` : w.nothing);
      const moved = (r.tangents || []).map(t => [t, tangentOf(t, n.id)]).filter(([, v]) => v && Ebb.few(v)); /* larger ones are in the table */
      if (moved.length) box.append(make('br'), w.tangent, moved.map(([t, v]) => w.moved(output(t.node).name, short(v), n.name)).join(w.and));
      return;
    }
    const b = s.back, n = r.nodes[b.node];
    if (b.kind === 'accumulate') {
      box.append(make('b', {}, n.name), ` — ${w.complete(n.outputs[0].uses)}`, make('b', {}, `${n.name}.grad`), ...equals(n.outputs[0].gradient));
      return;
    }
    box.append(make('b', {}, `${n.name} = ${n.text}`), ` (${n.node})`, make('br'));
    (b.upstream || []).forEach(u => box.append(w.upstream, make('b', {}, u.symbol), ...equals(u.value), make('br')));
    (b.gives || []).forEach(g => {
      box.append(w.gives, make('b', {}, `${g.symbol} = ${g.formula || Ebb.both(g.words)}`), ...equals(g.value));
      if (g.definitions) box.append(` (${w.with} `, make('b', {}, g.definitions), ')');
      if (g.shapes) box.append(make('span', { class: 'shapes' }, w.shapes + g.shapes));
      if (g.of > 1) box.append(` — ${w.adds(g.arrival, g.of)}` + (g.total ? `, ${w.sofar} ${short(g.total)}` : ''));
      box.append(make('br'));
    });
  }

  function details(id) {
    const n = report().nodes[id], w = say(), list = make('dl');
    const add = (name, ...value) => list.append(make('dt', {}, name), make('dd', {}, ...value));
    add(w.kind[n.kind], make('span', { class: 'formula' }, named(n)));
    if (n.op) add(w.operator, `${n.op}${n.attributes ? ` (${n.attributes})` : ''}, ${n.node}${n.part ? `, ${Ebb.both(n.part)}` : ''}`, n.doc ? make('div', { class: 'about', lang: 'en' }, n.doc) : null);
    n.outputs.forEach((o, k) => {
      if (n.outputs.length > 1) add(o.role || '', o.name);
      add(w.shape, `${shapeOf(o)}, ${o.dtype}`);
      if (o.value && state.known.has(id)) add(w.value, heat(o.value));
      if (state.total[`${id}.${k}`]) add(w.gradient, heat(state.total[`${id}.${k}`]));
    });
    if (n.mask && state.known.has(id)) add(w.mask, heat(n.mask));
    const step = report().backward.find(s => s.node === id && s.gives && s.gives.length);
    if (step) add(w.formula, step.gives.map(g => make('div', { class: 'formula' }, `${g.symbol} = ${g.formula || Ebb.both(g.words)}${g.definitions ? `, ${w.with} ${g.definitions}` : ''}`)));
    if (n.saved && n.saved.length) add(w.saved, n.saved.map(s => make('div', {}, `${s.name}, ${s.bytes} ${w.bytes}${s.shared ? w.shared : ''}`)));
    if (n.source && n.source.file) add(w.source, `${n.source.file}:${n.source.line}`);
    else if (n.source && report().expression) add(w.source, make('code', {}, part(report().expression, n.source)));
    $('details').replaceChildren(list);
  }
  function choose(id) { chosen = id; details(id); }

  const judged = ok => ok ? 'good' : ok === null ? undefined : 'bad'; /* null: there was nothing to compare */
  const verdict = (ok, worst) => `${Number(worst).toExponential(1)} ${ok ? '✓' : '✗'}`;
  const row = cells => make('tr', {}, cells.map(([text, cls]) => make('th', { scope: 'col', class: cls }, text)));
  function gradients(p) {
    const r = report(), w = say(), in_table = { columns: 4, precision: 4 }, root = output(r.root.node, r.root.output).name, rows = r.gradients.map(g => {
      const seen = p.total[`${g.node}.0`], c = g.check, o = output(g.node), symbol = `d${root}/d${g.name}`;
      return make('tr', { 'data-name': g.name, 'data-gradient': seen ? JSON.stringify(seen.data || seen.grid) : undefined },
        make('th', { scope: 'row' }, make('span', { class: 'formula' }, symbol), o.shape.length ? make('small', {}, ` ${shapeOf(o)}`) : null),
        make('td', {}, seen ? heat(seen, { ...in_table, label: symbol }) : '·'), make('td', { class: 'differences' }, seen && c && c.differences ? heat(c.differences, { ...in_table, label: w.differences }) : '·'),
        make('td', { class: !c ? undefined : c.ok ? 'good' : 'bad' }, c && seen ? verdict(c.ok, c.worst) : '·'));
    });
    $('gradients').replaceChildren(make('thead', {}, row([[w.gradient], [w.value], [w.differences, 'differences'], [w.differ]])), make('tbody', {}, rows));
    const c = r.check, all = r.gradients.every(g => p.total[`${g.node}.0`]);
    $('checked').replaceChildren(...(c && all ? [make('span', { class: judged(c.ok) }, Ebb.both(c.verdict)), c.not_finite ? ` ${Ebb.both(c.not_finite)}` : ''] : []));
    $('held').textContent = w.heldall(r.saved_bytes) + (r.root.summed ? ' ' + w.summed : '');
  }

  /* ---- second derivatives: one matrix of all variables' elements, in blocks ---- */
  const NUMBERS = 10, WALLS = 40; /* rows up to which elements are written as numbers, and names stand at all of them */
  function hessian() {
    const h = report().hessian, w = say();
    if (!h.blocks) return [make('p', {}, w.hessianlarge(h.elements, h.most))];
    const variables = [...new Set(h.blocks.map(b => b.row))].map(node => ({ node, name: output(node).name, shape: output(node).shape, n: count(output(node)) })), root = output(report().root.node, report().root.output).name;
    const block = {}, all = variables.reduce((sum, v) => sum + v.n, 0), small = all > NUMBERS;
    for (const b of h.blocks) block[`${b.row} ${b.column}`] = b.value.data;
    const largest = most({ data: h.blocks.flatMap(b => b.value.data) }), rows = [];
    const element = (v, e) => v.shape.length ? `${v.name}[${v.shape.reduceRight((at, n) => { at.unshift(e % n); e = Math.floor(e / n); return at; }, []).join(', ')}]` : v.name;
    for (const v of variables)
      for (let i = 0; i < v.n; i++) {
        const cells = i ? [] : [make('th', { scope: 'rowgroup', rowspan: v.n }, v.name)];
        for (const c of variables)
          for (let k = 0; k < c.n; k++) {
            const x = block[`${v.node} ${c.node}`][i * c.n + k], title = v === c && i === k ? `d²${root}/d${element(v, i)}² = ${digits(x)}` : `d²${root}/d${element(v, i)} d${element(c, k)} = ${digits(x)}`;
            const cell = hot(x, largest, small, 4, title);
            if (!i) cell.classList.add('first-row');
            if (!k) cell.classList.add('first-column');
            cells.push(cell);
          }
        rows.push(make('tr', {}, cells));
      }
    const head = make('tr', {}, make('td'), variables.map(v => make('th', { scope: 'colgroup', colspan: v.n }, v.name)));
    const size = all > WALLS ? ' tiny' : '';
    return [make('div', { class: 'scroll' }, make('table', { class: `heat blocks${small ? ' small' : ''}${size}`, id: 'hessian', 'aria-labelledby': 'title-hessian' }, make('thead', {}, head), make('tbody', {}, rows))),
      make('p', { class: judged(h.ok) }, Ebb.both(h.verdict))];
  }

  /* ---- forward mode: the tangents of the values that are known, variable by variable ---- */
  const tangentOf = (t, node) => { const v = t.values.find(v => v.node === node); return v && v.value; };
  function tangents(now, known) {
    const r = report(), w = say(), list = r.tangents;
    if (!list) return;
    const moving = r.nodes.filter(n => list.some(t => tangentOf(t, n.id))).map(n => n.id), first = Math.max(0, Math.min(moving.indexOf(now) - NEAR / 2, moving.length - NEAR));
    const cell = v => make('td', {}, v ? heat(v, { columns: 3, precision: 4 }) : '0');
    const rows = moving.slice(first, first + NEAR).map(id => make('tr', { class: id === now ? 'current' : undefined, 'data-node': id }, make('th', { scope: 'row', class: 'formula' }, output(id).name),
      known.has(id) ? list.map(t => cell(tangentOf(t, id))) : list.map(() => make('td', {}, '·'))));
    const foot = (name, of) => make('tr', {}, make('th', { scope: 'row' }, name), list.map(t => make('td', {}, digits(of(t), 6))));
    const done = known.has(r.root.node);
    $('tangents').replaceChildren(make('thead', {}, row([[w.details], ...list.map(t => [w.moves(output(t.node).name)])])), make('tbody', {}, rows),
      ...(done ? [make('tfoot', {}, foot(`${output(r.root.node, r.root.output).name}: ${w.sum}`, t => t.sum), foot(w.expected, t => t.expected),
        make('tr', {}, make('th', { scope: 'row' }, w.differ), list.map(t => t.ok === null ? make('td', {}, '·') : make('td', { class: t.ok ? 'good' : 'bad' }, verdict(t.ok, Math.abs(t.sum - t.expected))))))] : []));
  }

  function legend() {
    const r = report(), w = say().legend, has = { off: r.nodes.some(n => n.mask), joins: r.nodes.some(n => n.outputs.some(o => o.uses > 1)) };
    const any = r.nodes.some(n => n.outputs.some(o => count(o) > 1)), keys = ['leaf', 'root', 'go', 'back', ...(any ? ['plus', 'minus'] : []), ...Object.keys(has).filter(k => has[k])];
    $('legend').replaceChildren(...keys.map(k => make('li', {}, make('span', { class: `key ${k}`, 'aria-hidden': 'true' }, k === 'joins' ? 'Σ' : k === 'off' ? '×' : k === 'back' ? '∂' : ''), w[k])));
  }

  /* ---- the page ---- */
  function turn() {
    chosen = -1;
    $('stage').className = 'graph';
    const r = report(), part = (id, ...content) => make('section', { 'aria-labelledby': `title-${id}` }, make('h2', { id: `title-${id}` }), content);
    $('beside').replaceChildren(...[part('gradients', make('div', { class: 'tables' }, make('table', { id: 'gradients', 'aria-labelledby': 'title-gradients' })), make('p', { id: 'checked' }), make('p', { class: 'about', id: 'held' })),
      part('details', make('div', { id: 'details' })), r.hessian ? part('hessian', make('div', { id: 'second' })) : '',
      r.tangents ? part('tangents', make('p', { class: 'about', id: 'rate' }), make('div', { class: 'tables' }, make('table', { id: 'tangents', 'aria-labelledby': 'title-tangents' }))) : ''].filter(Boolean));
    if (!$('legend')) $('stage').after(make('ul', { id: 'legend' }));
    prepare();
  }
  function speak() {
    const w = say(), r = report();
    $('title-details').textContent = w.details;
    $('title-gradients').textContent = w.gradients;
    legend();
    if (r.hessian) { $('title-hessian').textContent = w.hessian; $('second').replaceChildren(...hessian()); }
    if (r.tangents) { $('title-tangents').textContent = w.tangents; $('rate').textContent = w.rate + (r.tangents.length < r.gradients.length ? ' ' + w.onlyfirst(r.tangents.length, r.gradients.length) : ''); }
    $('details').textContent = w.choose;
    $('about').textContent = Ebb.both(Ebb.item.text) + (Ebb.item.svg ? '' : ' ' + w.large(r.nodes.length, NEAR));
  }
  function wish(wishes) { if (wishes.get('node')) choose(Number(wishes.get('node'))); }
  Ebb.start({ words: WORDS, number: 0, pace: 1000, last: lastStep, turn, speak, show, wish });
})();
