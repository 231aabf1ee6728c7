/* What the pages have in common: words in two languages, values, walking step by step. A page gives Ebb.start() a walk:
 *   words   {en, zh}: its words, beside those here
 *   number  what its first step is called
 *   pace    milliseconds a step when it plays
 *   last()  its last step          turn()  another item is shown: build it     speak()  another language
 *   show(animate)  show step Ebb.at          wish(wishes)  what else the address asks for */
const Ebb = (function () {
  'use strict';
  const WORDS = {
    en: { play: 'Play', pause: 'Pause', first: 'To the start', back: 'Back', next: 'Next', last: 'To the end', step: 'Step', theme: 'Light or dark', walk: 'Walk through the steps',
      items: 'What is shown', beside: 'Beside', none: 'none', means: ', means of blocks', range: (a, b) => a === b ? `, all ${a}` : `, from ${a} to ${b}`, is: ': ', count: (k, n) => `Step ${k} of ${n}` },
    zh: { play: '播放', pause: '暂停', first: '回到开头', back: '上一步', next: '下一步', last: '到末尾', step: '步骤', theme: '浅色或深色', walk: '逐步浏览',
      items: '所示内容', beside: '旁栏', none: '无', means: '，分块平均', range: (a, b) => a === b ? `，全为 ${a}` : `，从 ${a} 到 ${b}`, is: '：', count: (k, n) => `第 ${k} / ${n} 步` }
  };
  const page = document.documentElement, items = JSON.parse(document.getElementById('data').textContent);
  const Ebb = { items, item: items[0], at: 0, lang: page.lang === 'zh' ? 'zh' : 'en' };
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let walk = null, timer = 0;
  const $ = id => document.getElementById(id);
  const say = () => walk.words[Ebb.lang];
  const both = text => typeof text === 'object' && text ? text[Ebb.lang] : text || '';
  const make = (tag, attributes, ...children) => {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes || {})) if (v !== undefined && v !== false) e.setAttribute(k, v);
    for (const c of children.flat()) if (c !== null && c !== undefined) e.append(c);
    return e;
  };

  /* ---- values ---- */
  const digits = (v, n = 6) => typeof v === 'string' ? v : Number.isInteger(v) && Math.abs(v) < 1e7 ? String(v) : String(Number(v.toPrecision(n))).replace('e+', 'e');
  const shapeOf = v => v.shape.length ? '(' + v.shape.join('×') + ')' : '()';
  const count = v => v.shape.reduce((a, b) => a * b, 1);
  const finite = v => (v.grid || v).data.map(Number).filter(Number.isFinite);
  const rangeOf = v => { const known = v.min !== undefined ? [v.min, v.max] : finite(v), ends = known.length ? [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))] : []; return ends.length ? say().range(...ends.map(x => digits(x, 4))) : ''; };
  const nested = (v, n = count(v) > 3 ? 4 : 6) => { /* [[1, 2], [3, 4]] */
    const within = (d, at, size) => d === v.shape.length ? digits(v.data[at], n) : '[' + [...Array(v.shape[d]).keys()].map(i => within(d + 1, at + i * size / v.shape[d], size / v.shape[d])).join(', ') + ']';
    return count(v) ? within(0, 0, count(v)) : '[]';
  };
  /* In one line: elements, where they are few; else the shape, which is no value: what it is and where it reaches. */
  const FEW = 6, few = v => !!v.data && count(v) <= FEW;
  const short = v => !v ? '' : few(v) ? nested(v) : shapeOf(v) + rangeOf(v);
  const equals = v => !v ? [] : few(v) ? [' = ', make('b', {}, nested(v))] : [say().is + short(v)];
  /* A tensor as rows of a matrix; of a large one the means of blocks. */
  const gridOf = v => v.grid || { rows: v.shape.length < 2 ? 1 : count(v) / v.shape[v.shape.length - 1], columns: v.shape[v.shape.length - 1], data: v.data };
  const most = grid => grid.data.map(Number).filter(Number.isFinite).reduce((a, b) => Math.max(a, Math.abs(b)), 1e-300);
  const strength = (x, largest, whole) => (Math.abs(x) / largest * whole || 0).toFixed(3);
  /* Numbers on a colour by sign and size, pale enough to be read on; where there are none the colour is stronger. */
  function heat(v, { columns = 8, precision = 6, label = '' } = {}) {
    if (!v) return make('span', {}, say().none);
    if (v.data && count(v) === 1) return make('span', {}, digits(v.data[0]));
    if (!count(v)) return make('span', {}, '[] ' + shapeOf(v));
    const grid = gridOf(v), small = grid.columns > columns || grid.rows > 12, largest = most(grid), rows = [];
    const about = shapeOf(v) + rangeOf(v) + (v.grid ? say().means : '');
    for (let i = 0; i < grid.rows; i++) {
      const row = make('tr');
      for (let j = 0; j < grid.columns; j++) row.append(hot(grid.data[i * grid.columns + j], largest, small, precision));
      rows.push(row);
    }
    const table = make('table', { class: small ? 'heat small' : 'heat', role: small ? 'img' : undefined, 'aria-label': (label ? label + say().is : '') + about }, make('tbody', {}, rows));
    return make('div', {}, make('div', { class: 'scroll' }, table), small ? make('small', { class: 'about' }, about) : null);
  }
  /* One cell of a heat map. */
  function hot(x, largest, small, precision, title) {
    return make('td', { class: !Number.isFinite(Number(x)) ? 'odd' : x < 0 ? 'minus' : undefined, style: `--a:${strength(x, largest, small ? .85 : .5)}`, title: title || digits(x) }, small ? '' : digits(x, precision));
  }

  /* ---- the title: an expression, and the part of it that the step is about ---- */
  const utf8 = new TextEncoder(), text = new TextDecoder();
  const part = (of, place) => text.decode(utf8.encode(of).slice(place.start, place.end)); /* positions are bytes of UTF-8 */
  function title(of, place) {
    const LONG = innerWidth < 640 ? 70 : 160, before = place ? part(of, { start: 0, end: place.start }) : '', marked = place ? part(of, place) : '', behind = of.slice(before.length + marked.length);
    const cut = (s, room) => s.length > room ? s.slice(0, Math.max(0, room)) + ' …' : s, room = Math.max(LONG / 4, LONG - marked.length);
    const left = Math.max(room / 2, room - behind.length); /* of a long one what is near the part */
    if (place) $('title').replaceChildren(before.length > left ? '… ' + before.slice(-left) : before, make('mark', {}, cut(marked, LONG)), cut(behind, room - Math.min(left, before.length)));
    else $('title').textContent = cut(of, LONG);
    document.title = `${cut(of, LONG)} – Ebb`;
  }

  /* ---- moving ---- */
  function show(animate) {
    const last = walk.last(), at = Ebb.at;
    $('scrub').max = last;
    $('scrub').value = at;
    $('count').textContent = say().count(at + walk.number, last + walk.number);
    $('scrub').setAttribute('aria-valuetext', $('count').textContent);
    document.body.dataset.step = at;
    document.body.dataset.end = at === last ? '1' : '0';
    walk.show(animate && !still.matches);
  }
  function go(to, animate) {
    Ebb.at = Math.max(0, Math.min(walk.last(), to));
    show(animate);
    if (Ebb.at === walk.last()) stop();
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    $('play').textContent = say().play;
    $('now').setAttribute('aria-live', 'polite');
  }
  function play() {
    if (timer) { stop(); return; }
    timer = setInterval(() => go(Ebb.at + 1, true), walk.pace);
    $('play').textContent = say().pause;
    $('now').setAttribute('aria-live', 'off'); /* nobody can listen that fast */
    go(Ebb.at === walk.last() ? 0 : Ebb.at + 1, true);
  }

  function speak() {
    const w = say();
    page.lang = Ebb.lang;
    for (const id of ['first', 'back', 'next', 'last']) { $(id).setAttribute('aria-label', w[id]); $(id).title = w[id]; }
    for (const [id, word] of [['theme', w.theme], ['scrub', w.step], ['controls', w.step], ['items', w.items], ['walk', w.walk], ['beside', w.beside]]) $(id).setAttribute('aria-label', word);
    $('theme').title = w.theme;
    $('lang').textContent = Ebb.lang === 'zh' ? 'English' : '中文';
    $('lang').lang = Ebb.lang === 'zh' ? 'en' : 'zh';
    $('keys').innerHTML = w.keys;
    $('items').childNodes.forEach((b, i) => { b.textContent = both(items[i].title).split(/[:：]/)[0]; });
    walk.speak();
    stop();
    show(false);
  }
  function turn(to) {
    Ebb.item = items[to];
    Ebb.at = 0;
    $('items').childNodes.forEach((b, i) => { if (i === to) b.setAttribute('aria-current', 'true'); else b.removeAttribute('aria-current'); });
    if (items.length > 1) $('items').childNodes[to].scrollIntoView({ block: 'nearest', inline: 'nearest' });
    walk.turn();
    speak();
  }

  /* #item=1&step=end&theme=dark&lang=zh: what is shown first; walk=1 takes every step to the end. */
  function start(what) {
    walk = what;
    for (const lang of ['en', 'zh']) walk.words[lang] = { ...WORDS[lang], ...walk.words[lang] };
    const wishes = new URLSearchParams(location.hash.slice(1)), moves = { first: () => 0, back: () => Ebb.at - 1, next: () => Ebb.at + 1, last: () => walk.last() };
    for (const [id, to] of Object.entries(moves)) $(id).onclick = () => { stop(); go(to(), id === 'next'); };
    $('play').onclick = play;
    $('scrub').oninput = e => { stop(); go(Number(e.target.value), false); };
    $('lang').onclick = () => { Ebb.lang = Ebb.lang === 'zh' ? 'en' : 'zh'; speak(); };
    const dark = matchMedia('(prefers-color-scheme: dark)'), paint = name => { page.dataset.theme = name; };
    paint(dark.matches ? 'dark' : 'light');
    dark.addEventListener('change', e => paint(e.matches ? 'dark' : 'light'));
    $('theme').onclick = () => paint(page.dataset.theme === 'dark' ? 'light' : 'dark');
    document.addEventListener('keydown', e => {
      if (e.ctrlKey || e.altKey || e.metaKey || e.defaultPrevented) return;
      const move = { ArrowRight: 'next', ArrowLeft: 'back', Home: 'first', End: 'last' }[e.key];
      if (move && !(e.target instanceof HTMLInputElement)) { $(move).click(); e.preventDefault(); }
      else if (e.key === ' ' && !e.target.closest('button, summary')) { play(); e.preventDefault(); }
    });
    if (items.length > 1) items.forEach((p, i) => { const b = make('button', { type: 'button' }); b.onclick = () => turn(i); $('items').append(b); });
    if (wishes.get('theme')) paint(wishes.get('theme'));
    if (wishes.get('lang')) Ebb.lang = wishes.get('lang');
    turn(Math.min(items.length - 1, Number(wishes.get('item')) || 0));
    if (wishes.get('step')) go(wishes.get('step') === 'end' ? walk.last() : Number(wishes.get('step')), false);
    if (wishes.get('walk')) for (go(0, false); Ebb.at < walk.last();) go(Ebb.at + 1, false);
    if (walk.wish) walk.wish(wishes);
    document.body.dataset.ready = '1';
  }
  return Object.assign(Ebb, { $, say, both, make, digits, shapeOf, count, few, short, equals, gridOf, most, heat, hot, part, title, go, stop, start, calm: () => still.matches });
})();
