// The explorer's page in the browser: keys, the pointer on a map, and the view that all panels share.
// `PageScript` in nbs/explorer/03_widget.ipynb hands this file to anywidget.

const KEYS = {j: 'next', k: 'previous', arrowright: 'next', arrowleft: 'previous'};
const HELD = 90; // milliseconds between two steps while a key is held down
const MAX_ZOOM = 12;
const SLIDERS = {threshold: 'Threshold', position: 'Position in the order', opacity: 'Opacity of the heatmap'};

// A key presses a button of the page. A field in which one types, a list, a slider and a tab keep their own keys.
function listenToKeys(root, keyboard, signal) {
  let last = 0;
  keyboard.addEventListener('keydown', event => {
    const key = event.key.toLowerCase(), name = KEYS[key];
    if (!name || event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, textarea, select, [contenteditable=true]')) return;
    if (key.startsWith('arrow') && event.target.closest('[role=slider], [role=tab]')) return;
    event.preventDefault();
    if (event.repeat && Date.now() - last < HELD) return;
    last = Date.now();
    root.querySelector(`.rkd-${name}`).click();
  }, {signal});
}

// The pointer's place in a box, from 0 to 1.
function placeIn(box, event) {
  const edges = box.getBoundingClientRect();
  return {x: (event.clientX - edges.left) / edges.width, y: (event.clientY - edges.top) / edges.height};
}

// Where the pointer is on a map goes to Python, which reads the map's value there.
function reportPointer(root, model, view, signal) {
  const report = event => {
    const box = event.target.closest('.rkd-stack .rkd-map');
    if (!box) return;
    const {x, y} = placeIn(box, event);
    model.set('value', [(x - view.x) / view.zoom, (y - view.y) / view.zoom]);
    model.save_changes();
  };
  root.addEventListener('pointermove', report, {signal});
  root.addEventListener('click', report, {signal});
}

// A click makes a panel large; in a large panel the wheel zooms around the pointer and dragging moves. All panels share the view.
function shareView(root, keyboard, view, signal) {
  let held = null, dragged = false;
  const boxAt = event => event.target.closest('.rkd-stack .rkd-box');
  const enlarge = number => { root.dataset.large = number; };
  const show = (x, y, zoom) => {
    const inside = shift => Math.min(0, Math.max(1 - zoom, shift));
    Object.assign(view, {x: inside(x), y: inside(y), zoom});
    for (const name in view) root.style.setProperty(`--${name}`, view[name]);
  };
  root.addEventListener('wheel', event => {
    const box = boxAt(event);
    if (!box || root.dataset.large === '0') return;
    event.preventDefault();
    const at = placeIn(box, event), zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom * Math.exp(-event.deltaY / 400))), more = zoom / view.zoom;
    show(at.x - (at.x - view.x) * more, at.y - (at.y - view.y) * more, zoom);
  }, {passive: false, signal});
  root.addEventListener('pointerdown', event => { held = boxAt(event) && placeIn(boxAt(event), event); dragged = false; }, {signal});
  root.addEventListener('pointermove', event => {
    if (!held || !event.buttons || !boxAt(event)) return;
    const at = placeIn(boxAt(event), event);
    if (!dragged && Math.hypot(at.x - held.x, at.y - held.y) < 0.01) return;
    dragged = true;
    show(view.x + at.x - held.x, view.y + at.y - held.y, view.zoom);
    held = at;
  }, {signal});
  root.addEventListener('dragstart', event => { if (boxAt(event)) event.preventDefault(); }, {signal});
  root.addEventListener('click', event => {
    const figure = event.target.closest('.rkd-stack figure');
    if (figure && !dragged) enlarge(root.dataset.large === '0' ? [...figure.parentNode.children].indexOf(figure) + 1 : 0);
  }, {signal});
  keyboard.addEventListener('keydown', event => { if (event.key === 'Escape') { enlarge(0); show(0, 0, 1); } }, {signal});
  enlarge(0);
}

// The slider of the opacity is linked to the model in the browser: Python takes no part.
function followOpacity(root, model, signal) {
  const follow = () => root.style.setProperty('--opacity', model.get('opacity'));
  model.on('change:opacity', follow);
  signal.addEventListener('abort', () => model.off('change:opacity', follow));
  follow();
}

// Widgets are added one after the other, and some are made anew: whatever comes gets its name for screen readers.
function nameForScreenReaders(root, signal) {
  const name = () => {
    root.querySelector('.rkd-status')?.setAttribute('role', 'status');
    root.querySelector('.rkd-exact-threshold input')?.setAttribute('aria-label', 'Threshold as a number');
    for (const [css, words] of Object.entries(SLIDERS))
      root.querySelectorAll(`.rkd-${css} [role=slider]:not([aria-label])`).forEach(slider => slider.setAttribute('aria-label', words));
  };
  const observer = new MutationObserver(name);
  observer.observe(root, {childList: true, subtree: true});
  signal.addEventListener('abort', () => observer.disconnect());
  name();
}

// The page around this widget, once the widget has its place there.
async function pageAround(el, signal) {
  while (!signal.aborted) {
    const root = el.closest('.rkd-explorer');
    if (root?.isConnected) return root;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function start(model, el, signal) {
  const root = await pageAround(el, signal);
  if (!root) return;
  // In JupyterLab other cells need their keys: the page listens only inside itself, and Lab leaves these keys alone there (K would leave the cell).
  const lab = root.closest('.jp-NotebookPanel') !== null, keyboard = lab ? root : document, view = {x: 0, y: 0, zoom: 1};
  if (lab) root.tabIndex = 0;
  root.dataset.lmSuppressShortcuts = 'true';
  listenToKeys(root, keyboard, signal);
  reportPointer(root, model, view, signal);
  shareView(root, keyboard, view, signal);
  followOpacity(root, model, signal);
  nameForScreenReaders(root, signal);
  root.dataset.ready = 'yes';
}

export default {
  render({model, el}) {
    const removed = new AbortController();
    start(model, el, removed.signal);
    return () => removed.abort();
  },
};
