/* The page of dimensions (docs/explain-json.md): call by call, tensors as matrices of cells, and the storage they lie in. */
(function () {
  'use strict';
  const { $, say, both, make, shapeOf, count } = Ebb;
  const WORDS = {
    en: {
      keys: 'Keys: <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Space</kbd> play, <kbd>Home</kbd> <kbd>End</kbd>; <kbd>Tab</kbd> to a tensor or a storage, arrows from cell to cell in it.',
      comma: ', ', before: 'before', after: 'after', name: 'tensor', shape: 'shape', strides: 'strides', offset: 'offset', contiguous: 'contiguous', yes: 'yes', no: 'no', storage: 'storage', call: 'call', calls: 'The calls',
      shared: 'shared', created: 'new', backward: 'The way back', nowhere: 'It takes no tensor: nothing goes further back.', elsewhere: 'ebb explain shows the rule of this operator.', nothing: 'No operator is called: there are no dimensions to show.', fails: 'This fails.',
      sharing: (y, x, many) => `${y} ${many ? 'share' : 'shares'} the storage of ${x}: nothing is copied.`, copying: (y, n, many) => `${y} ${many ? 'have' : 'has'} a new storage of ${n} elements.`,
      strip: (k, n, names) => `storage ${k}: ${n} elements` + (names ? `, read by ${names}` : ''), more: n => `… ${n} more …`,
      window: (n, shown) => `${n} elements; ${shown} of them are shown, as numbers of their places in the storage.`, empty: 'no elements', slice: at => `[${at}, …]`,
      lies: (name, index, sum) => `${name}[${index}] lies at ${sum} of the storage`, is: v => `, and is ${v}`, general: (name, index, sum) => `${name}[${index}] lies at ${sum} of the storage. Point at an element, or at a cell of the storage.`,
      end: '. ', cell: k => `Cell ${k} of the storage`, holds: names => ` is ${names}. `, unread: name => `: ${name} does not read it.`,
      times: (n, name) => n === 0 ? `${name} does not read it: its gradient is 0.` : n === 1 ? `${name} reads it once: it gets that element's gradient.` : `${name} reads it ${n} times: its gradient is the sum of theirs.`,
      made: names => `It is computed from ${names}.`, several: n => `${n} elements`, summed: (dims, name, from, to) => `summed over dim ${dims}, where ${name} was broadcast: ${from} → ${to}`,
      legend: 'One colour is one place in a storage. Cells with a dashed edge are not read; ×n: read n times.' },
    zh: {
      keys: '按键：<kbd>←</kbd> <kbd>→</kbd> 单步，<kbd>空格</kbd> 播放，<kbd>Home</kbd> <kbd>End</kbd>；<kbd>Tab</kbd> 移到张量或存储，再用方向键逐格移动。',
      comma: '，', before: '之前', after: '之后', name: '张量', shape: '形状', strides: '步长', offset: '偏移', contiguous: '连续', yes: '是', no: '否', storage: '存储', call: '调用', calls: '各次调用',
      shared: '共享', created: '新的', backward: '反向', nowhere: '它不取用任何张量：梯度到此为止。', elsewhere: '这个算子的规则由 ebb explain 给出。', nothing: '没有调用任何算子，也就没有维度可看。', fails: '此处出错。',
      sharing: (y, x) => `${y} 与 ${x} 共享存储：没有拷贝。`, copying: (y, n) => `${y} 有新的存储，共 ${n} 个元素。`,
      strip: (k, n, names) => `存储 ${k}：${n} 个元素` + (names ? `，由 ${names} 读取` : ''), more: n => `…… 还有 ${n} 个 ……`,
      window: (n, shown) => `共 ${n} 个元素，显示其中 ${shown} 个；数字是它们在存储里的位置。`, empty: '没有元素', slice: at => `[${at}, …]`,
      lies: (name, index, sum) => `${name}[${index}] 位于存储的第 ${sum} 个位置`, is: v => `，值为 ${v}`, general: (name, index, sum) => `${name}[${index}] 位于存储的第 ${sum} 个位置。指向某个元素，或存储中的某一格。`,
      end: '。', cell: k => `存储的第 ${k} 格`, holds: names => `就是 ${names}。`, unread: name => `：${name} 不读取它。`,
      times: (n, name) => n === 0 ? `${name} 不读取它：它的梯度为 0。` : n === 1 ? `${name} 读取它一次：它得到那个元素的梯度。` : `${name} 读取它 ${n} 次：它的梯度是这些元素的梯度之和。`,
      made: names => `它由 ${names} 算出。`, several: n => `${n} 个元素`, summed: (dims, name, from, to) => `${name} 曾被广播，故沿第 ${dims} 维求和：${from} → ${to}`,
      legend: '一种颜色对应存储里的一个位置。虚线格没有被读取；×n 表示被读取 n 次。' }
  };
  const WHOLE = 256, ROWS = 8, COLUMNS = 12, SLICES = 4, LINE = 48, COUNTED = 1 << 20; /* elements shown in full; of larger tensors, and of a vector; elements that are looked through */
  let stops = [], seen = []; /* calls of the item; tensors of the step that are shown, with their elements */

  /* ---- where elements lie ---- */
  const indexOf = (t, e) => t.shape.reduceRight((at, n) => { at.unshift(e % n); e = Math.floor(e / n); return at; }, []);
  const elementOf = (t, index) => index.reduce((e, i, d) => e * t.shape[d] + i, 0);
  const placeOf = (t, index) => index.reduce((p, i, d) => p + i * t.strides[d], t.offset);
  const placesOf = s => s.elements.map(e => placeOf(s.t, indexOf(s.t, e)));
  const named = (t, e) => t.shape.length ? `${t.name}[${indexOf(t, e).join(', ')}]` : t.name;
  const grouped = n => n.toLocaleString('en');
  const number = v => typeof v === 'string' ? v : Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(3)));
  const storageName = t => t.storage + 1;

  /* The elements that are shown: all, or of a large tensor those at its beginning in every dimension. */
  function shownOf(t) {
    const n = count(t), all = [...Array(Math.min(n, WHOLE)).keys()];
    if (n <= WHOLE) return all;
    const last = t.shape.length - 1, sizes = t.shape.map((size, d) => Math.min(size, last === 0 ? LINE : d === last ? COLUMNS : d === last - 1 ? ROWS : 2));
    for (let d = 0, slices = 1; d < last - 1; d++) { sizes[d] = Math.max(1, Math.min(sizes[d], Math.floor(SLICES / slices))); slices *= sizes[d]; }
    const part = { shape: sizes };
    return [...Array(count(part)).keys()].map(e => elementOf(t, indexOf(part, e)));
  }

  /* How many elements of the tensor lie at each of these places. */
  function countAt(t, elements, places) {
    const times = new Map(), n = count(t), wanted = new Set(places);
    const add = e => { const p = placeOf(t, indexOf(t, e)); if (wanted.has(p)) times.set(p, (times.get(p) || 0) + 1); };
    if (n <= COUNTED) for (let e = 0; e < n; e++) add(e);
    else elements.forEach(add);
    return times;
  }

  /* ---- which elements an element is computed from ---- */
  const MATRICES = ['matmul', 'mm', 'bmm', 'mv'], IN_ORDER = ['reshape', 'flatten', 'contiguous', 'clone'];
  const fit = (t, index) => index.slice(index.length - t.shape.length).map((i, d) => t.shape[d] === 1 ? 0 : i); /* as it is broadcast */
  function fromProduct(x, w, y) {
    const rest = y.slice(), j = w.shape.length > 1 ? [rest.pop()] : [], i = x.shape.length > 1 ? [rest.pop()] : [], from = [];
    const batch = t => fit({ shape: t.shape.slice(0, -2) }, rest);
    for (let k = 0; k < x.shape[x.shape.length - 1]; k++) {
      from.push([x, elementOf(x, [...batch(x), ...i, k])]);
      from.push([w, elementOf(w, [...batch(w), k, ...j])]);
    }
    return from;
  }
  function sourcesOf(step, t, e) {
    const [x, w = x] = step.inputs;
    if (step.shares || step.outputs.length !== 1 || t !== step.outputs[0] || !x) return [];
    if (IN_ORDER.includes(step.op)) return [[x, e]];
    if (!step.alignment) return [];
    return MATRICES.includes(step.op) ? fromProduct(x, w, indexOf(t, e)) : step.inputs.map(i => [i, elementOf(i, fit(i, indexOf(t, e)))]);
  }

  /* ---- cells ---- */
  let ranks = new Map(); /* of each storage the places that are shown, in order */
  function rankPlaces(storages) {
    ranks = new Map(storages.map(k => {
      const there = seen.filter(s => s.t.storage === k), size = there[0].t.storage_elements;
      const list = size <= WHOLE ? [...Array(size).keys()] : [...new Set(there.flatMap(placesOf))].sort((a, b) => a - b);
      return [k, new Map(list.map((p, i) => [p, i]))];
    }));
  }
  function hue(storage, place) {
    const rank = ranks.get(storage);
    return `--h:${(575 - Math.round(200 * (rank.get(place) || 0) / Math.max(1, rank.size - 1))) % 360}`;
  }

  function cellOf(tag, t, e) {
    const place = placeOf(t, indexOf(t, e)), known = t.data !== undefined;
    return make(tag, { class: known ? 'cell' : 'cell place', 'data-tensor': t.name, 'data-element': e, 'data-storage': t.storage, 'data-place': place, style: hue(t.storage, place), tabindex: -1,
      'aria-label': `${named(t, e)}${known ? ' = ' + number(t.data[e]) : ''}, ${say().cell(place)}` }, known ? number(t.data[e]) : String(place));
  }

  function matrices(s) { /* the last two dimensions of a tensor as tables, one for each index of the others */
    const { t, elements } = s, slices = new Map();
    for (const e of elements) {
      const index = indexOf(t, e), at = index.slice(0, -2).join(', '), row = index.length > 1 ? index[index.length - 2] : 0;
      if (!slices.has(at)) slices.set(at, new Map());
      if (!slices.get(at).has(row)) slices.get(at).set(row, make('tr'));
      slices.get(at).get(row).append(cellOf('td', t, e));
    }
    return [...slices].map(([at, rows]) => make('table', { 'aria-label': t.name + (at ? say().slice(at) : '') }, at ? make('caption', {}, say().slice(at)) : null, make('tbody', {}, [...rows.values()])));
  }

  function tensor(s, role) {
    const { t, elements } = s, n = count(t), w = say();
    const about = n === 0 ? w.empty : n > elements.length ? w.window(grouped(n), elements.length) : '';
    return make('figure', { class: 'tensor', 'data-role': role }, make('figcaption', {}, make('b', {}, t.name), ` ${w[role]}${w.comma}${shapeOf(t)}${about ? w.is + about : ''}`), make('div', { class: 'slices' }, matrices(s)));
  }

  /* The cells of a storage: all, or of a large one those near the elements that are shown. */
  function cellsOf(size, reading) {
    if (size <= WHOLE) return [...Array(size).keys()];
    const near = new Set(reading.flatMap(placesOf).flatMap(p => [p - 1, p, p + 1]));
    return [...near].filter(p => p >= 0 && p < size).sort((a, b) => a - b).slice(0, WHOLE);
  }
  function strip(storage, reading) {
    const tensors = seen.filter(s => s.t.storage === storage), size = tensors[0].t.storage_elements, places = cellsOf(size, reading), values = new Map(), w = say(), times = new Map(), list = make('ol', { class: 'strip' });
    for (const s of tensors) if (s.t.data) s.elements.forEach(e => values.set(placeOf(s.t, indexOf(s.t, e)), s.t.data[e]));
    for (const s of reading) countAt(s.t, s.elements, places).forEach((n, p) => times.set(p, (times.get(p) || 0) + n));
    let next = 0;
    const several = [...times.values()].some(n => n > 1);
    const gap = to => { if (to > next) list.append(make('li', { class: 'gap' }, w.more(grouped(to - next)))); };
    for (const p of places) {
      gap(p);
      next = p + 1;
      const n = times.get(p) || 0, value = values.has(p) ? number(values.get(p)) : '';
      list.append(make('li', {}, make('span', { class: 'number', 'aria-hidden': 'true' }, String(p)),
        make('span', { class: n ? 'cell' : 'cell unread', 'data-storage': storage, 'data-place': p, 'data-times': n, style: hue(storage, p), tabindex: -1, role: 'img', 'aria-label': `${w.cell(p)}${value ? ': ' + value : ''}${n > 1 ? ' ×' + n : ''}` }, value),
        several ? make('span', { class: 'times', 'aria-hidden': 'true' }, n > 1 ? `×${n}` : '') : null));
    }
    gap(size);
    return make('figure', {}, make('figcaption', {}, w.strip(storage + 1, grouped(size), reading.map(s => s.t.name).join(', '))), list);
  }

  /* ---- pointing: an element, its cell, and all that lie there ---- */
  const cells = () => $('stage').querySelectorAll('.cell');
  function unmark() { cells().forEach(c => c.classList.remove('hit', 'from')); }
  function point(cell) {
    const { storage, place, element } = cell.dataset, step = stops[Ebb.at].step, me = seen.find(s => s.t.name === cell.dataset.tensor), e = Number(element);
    const from = me ? sourcesOf(step, me.t, e) : [], marked = new Set(from.map(([t, k]) => `${t.name} ${k}`));
    if (me && !from.length) /* of an input: what is computed from it */
      for (const s of seen.filter(s => s.out)) for (const k of s.elements) if (sourcesOf(step, s.t, k).some(([t, i]) => t === me.t && i === e)) marked.add(`${s.t.name} ${k}`);
    cells().forEach(c => {
      c.classList.toggle('hit', c.dataset.storage === storage && c.dataset.place === place);
      c.classList.toggle('from', marked.has(`${c.dataset.tensor} ${c.dataset.element}`));
    });
    $('readout').textContent = me ? tellElement(me, e, from) : tellCell(Number(storage), Number(place));
  }

  function sumOf(t, index) { /* "4 + 1·4 + 2·2 = 12" */
    const terms = index.map((i, d) => t.strides[d] && t.shape[d] > 1 ? `${i}·${t.strides[d]}` : '').filter(Boolean);
    if (t.offset) terms.unshift(t.offset);
    return terms.length ? `${terms.join(' + ')} = ${placeOf(t, index)}` : String(placeOf(t, index));
  }
  function tellElement(s, e, from) {
    const w = say(), index = indexOf(s.t, e), step = stops[Ebb.at].step, outs = step.outputs, place = placeOf(s.t, index);
    let text = (s.t.shape.length ? w.lies(s.t.name, index.join(', '), sumOf(s.t, index)) : `${s.t.name}: ${w.cell(place)}`) + (s.t.data ? w.is(number(s.t.data[e])) : '') + w.end;
    if (from.length) text += w.made(from.length > 8 ? w.several(from.length) : from.map(([t, k]) => named(t, k)).join(', '));
    if (!s.out && step.shares && outs.every(t => count(t) <= COUNTED))
      text += w.times(outs.reduce((n, t) => n + (t.storage === s.t.storage && countAt(t, [], [place]).get(place) || 0), 0), outs.length > 1 ? outs[0].name.replace(/\[.*/, '') : outs[0].name);
    return text;
  }
  function tellCell(storage, place) {
    const w = say(), there = [];
    for (const s of seen) if (s.t.storage === storage) for (const e of s.elements) if (placeOf(s.t, indexOf(s.t, e)) === place && there.length < 9) there.push(there.length < 8 ? named(s.t, e) : '…');
    const outs = seen.filter(s => s.out && s.t.storage === storage), read = outs.some(s => there.some(n => n.startsWith(s.t.name)));
    return w.cell(place) + (there.length ? w.holds(there.join(', ')) : '') + (outs.length && !read && !there.includes('…') ? w.unread(outs.map(s => s.t.name).join(', ')) : '');
  }
  function rest() {
    const step = stops[Ebb.at] && stops[Ebb.at].step, t = step && (step.outputs[0] || step.inputs[0]);
    unmark();
    $('readout').textContent = t && t.shape.length && count(t) ? say().general(t.name, 'ijklmnop'.slice(0, t.shape.length).split('').join(', '), t.address) : '';
  }

  /* Arrows move from cell to cell; every tensor and every storage is one stop of Tab. */
  function stepThrough(e) {
    const figure = e.target.closest && e.target.classList.contains('cell') && e.target.closest('figure');
    if (!figure) return;
    const list = [...figure.querySelectorAll('.cell')], at = list.indexOf(e.target), row = e.target.parentNode.tagName === 'TR' ? e.target.parentNode.childNodes.length : 8;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + row, ArrowUp: at - row, Home: 0, End: list.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    if (list[to]) list[to].focus();
  }

  /* The elements in the order of counting, and where they are read from. */
  let sweeping = 0;
  function sweep() {
    const list = [...$('stage').querySelectorAll('[data-role="after"] .cell')], wait = Math.min(120, 2400 / list.length);
    let k = 0;
    clearInterval(sweeping);
    if (!list.length) return;
    sweeping = setInterval(() => {
      const c = list[k++];
      if (!c) { clearInterval(sweeping); unmark(); return; }
      cells().forEach(d => d.classList.toggle('hit', d === c || (!d.dataset.tensor && d.dataset.storage === c.dataset.storage && d.dataset.place === c.dataset.place)));
    }, wait);
  }

  /* ---- a step ---- */
  const tuple = list => '(' + list.join(', ') + ')';
  function facts(step) {
    const w = say(), head = ['', w.name, w.shape, w.strides, w.offset, w.contiguous, w.storage];
    const row = (t, role) => make('tr', { 'data-name': t.name, 'data-role': role }, make('th', { scope: 'row' }, w[role]), make('td', { class: 'formula' }, t.name), make('td', {}, shapeOf(t)), make('td', {}, tuple(t.strides)),
      make('td', {}, String(t.offset)), make('td', {}, t.contiguous ? w.yes : make('strong', {}, w.no)), make('td', {}, String(storageName(t))));
    return make('div', { class: 'tables' }, make('table', { id: 'facts' }, make('thead', {}, make('tr', {}, head.map(h => make('th', { scope: 'col' }, h)))),
      make('tbody', {}, step.inputs.map(t => row(t, 'before')), step.outputs.map(t => row(t, 'after')))));
  }

  function tell(stop) {
    const w = say(), box = $('now'), { step, expression } = stop, lines = [];
    const failed = expression.failure && (!step || !step.outputs.length);
    box.classList.toggle('back', !!failed);
    box.textContent = '';
    if (step) box.append(make('b', {}, step.source), ' — ');
    if (failed) { lines.push(`${w.fails} ${expression.failure}`, expression.caret ? make('pre', {}, expression.caret) : ''); }
    if (step && step.what) lines.push(both(step.what));
    if (step && step.why_no_view) lines.push(both(step.why_no_view));
    if (step && step.outputs.length) {
      const names = step.outputs.map(t => t.name).join(', '), owner = step.inputs.find(t => t.storage === step.outputs[0].storage);
      lines.push(step.shares && owner ? w.sharing(names, owner.name, step.outputs.length > 1) : w.copying(names, grouped(step.outputs[0].storage_elements), step.outputs.length > 1));
      step.outputs.forEach(t => { if (!t.contiguous) lines.push(both(t.why_not_contiguous)); });
    }
    lines.forEach((line, i) => box.append(line, line.tagName || i === lines.length - 1 ? '' : make('br')));
  }

  function backward(step) {
    const w = say();
    if (!step.outputs.length) return [];
    if (!step.backward) return [step.inputs.length ? w.elsewhere : w.nowhere];
    return [both(step.backward), ...step.gives.flatMap(g => {
      const to = step.inputs.find(t => t.name === g.to);
      return [make('br'), make('b', {}, `${g.symbol} ${g.again ? '+=' : '='} ${g.formula}`), g.summed.length ? ` ${w.summed(g.summed.join(', '), g.to, shapeOf(g), to ? shapeOf(to) : '')}` : g.shapes ? ` ${g.shapes}` : ''];
    })];
  }

  function show(animate) {
    const stage = $('stage'), stop = stops[Ebb.at], w = say();
    clearInterval(sweeping);
    seen = [];
    stage.textContent = '';
    if (!stop) { $('now').textContent = w.nothing; Ebb.title(Ebb.item.expressions[0].expression); return; }
    const { step, expression } = stop;
    Ebb.title(expression.expression, step ? { start: step.end - new TextEncoder().encode(step.source).length, end: step.end } : null);
    tell(stop);
    calls();
    $('backward').replaceChildren(...(step ? backward(step) : []));
    $('title-backward').hidden = $('backward').hidden = !$('backward').hasChildNodes();
    if (!step) return;
    seen = [...step.inputs.map(t => ({ t, out: false })), ...step.outputs.map(t => ({ t, out: true }))].map(s => ({ ...s, elements: shownOf(s.t) }));
    const ins = seen.filter(s => !s.out), outs = seen.filter(s => s.out), storages = [...new Set(seen.filter(s => count(s.t)).map(s => s.t.storage))];
    const readersOf = k => [outs, ins].map(list => list.filter(s => s.t.storage === k)).find(list => list.length);
    rankPlaces(storages);
    stage.append(facts(step), step.alignment ? make('pre', { id: 'alignment' }, step.alignment) : '', make('div', { class: 'tensors' }, ins.map(s => tensor(s, 'before')), outs.map(s => tensor(s, 'after'))),
      make('p', { id: 'readout' }), make('div', { class: 'storages' }, storages.map(k => strip(k, readersOf(k)))), make('p', { class: 'about' }, w.legend));
    stage.querySelectorAll('figure').forEach(f => { const c = f.querySelector('.cell'); if (c) c.tabIndex = 0; });
    rest();
    if (animate) sweep();
  }

  /* ---- the page ---- */
  function calls() { /* the table beside: every call, to go to */
    const w = say(), body = [];
    stops.forEach((stop, i) => {
      const { step, expression } = stop, t = step && step.outputs[0], storage = t && `${storageName(t)} (${step.shares ? w.shared : w.created})`;
      if (Ebb.item.expressions.length > 1 && (i === 0 || stops[i - 1].expression !== expression)) body.push(make('tr', {}, make('th', { colspan: 5, scope: 'colgroup' }, expression.expression)));
      const b = make('button', { type: 'button', 'aria-current': i === Ebb.at ? 'step' : undefined }, step ? step.source : w.fails);
      b.onclick = () => { Ebb.stop(); Ebb.go(i, true); };
      body.push(make('tr', {}, make('td', {}, String(i + 1)), make('td', { class: 'formula' }, b), t ? [shapeOf(t), tuple(t.strides), storage].map(x => make('td', {}, x)) : make('td', { colspan: 3, class: 'bad' }, w.fails)));
    });
    const focused = document.activeElement && $('calls').contains(document.activeElement);
    $('calls').replaceChildren(make('thead', {}, make('tr', {}, ['', w.call, w.shape, w.strides, w.storage].map(h => make('th', { scope: 'col' }, h)))), make('tbody', {}, body));
    if (focused) $('calls').querySelector('[aria-current]').focus();
  }
  function turn() {
    stops = Ebb.item.expressions.flatMap(expression => [...expression.steps.map(step => ({ expression, step })),
      ...(expression.failure && !expression.steps.some(s => !s.outputs.length) ? [{ expression, step: null }] : [])]);
    $('beside').replaceChildren(make('h2', { id: 'title-backward' }), make('div', { class: 'now back', id: 'backward' }), make('h2', { id: 'title-calls' }), make('div', { class: 'tables' }, make('table', { id: 'calls', 'aria-labelledby': 'title-calls' })));
  }
  function speak() {
    $('title-calls').textContent = say().calls;
    $('title-backward').textContent = say().backward;
    $('about').textContent = both(Ebb.item.text);
  }
  function wish(wishes) { /* element=y.5: pointed at */
    const [name, e] = (wishes.get('element') || '').split('.'), cell = name && [...cells()].find(c => c.dataset.tensor === name && c.dataset.element === e);
    if (cell) point(cell);
  }
  const stage = $('stage'), pointed = e => { const c = e.target.closest && e.target.closest('.cell'); if (c) { clearInterval(sweeping); point(c); } };
  stage.addEventListener('pointerover', pointed);
  stage.addEventListener('focusin', pointed);
  stage.addEventListener('pointerleave', rest);
  stage.addEventListener('keydown', stepThrough);
  Ebb.start({ words: WORDS, number: 1, pace: 3500, last: () => Math.max(0, stops.length - 1), turn, speak, show, wish });
})();
