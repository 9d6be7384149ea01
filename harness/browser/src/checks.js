// What a page has to be for everybody who uses it, checked in the page itself. `faults()` returns a list of
// {fault, element, detail}; `describe(element)` names an element for people. Read by checks.rs and page.rs, which put a
// `return` behind it: a script of WebDriver is the body of a function.
//
// Contrast is computed from the styles of an element and its ancestors, so what lies behind a text only because it was
// positioned there is not seen. Frames and shadow trees are not looked into.

const squeeze = (text) => text.replace(/\s+/g, ' ').trim();
const shorten = (text) => (text.length > 60 ? text.slice(0, 59) + '…' : text);

// `button#save "Save"`
function describe(element) {
  if (!element) return 'nothing';
  const id = element.id ? '#' + element.id : '';
  const classes = id ? '' : [...element.classList].map((name) => '.' + name).join('');
  const name = shorten(nameOf(element));
  return element.localName + id + classes + (name && element !== document.body ? ` "${name}"` : '');
}

// Whether people can see it, now.
function isVisible(element) {
  return element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    element.getClientRects().length > 0;
}

// For screen readers alone: shrunk to nothing, or moved out of sight.
function isOutOfSight(element) {
  for (let e = element; e; e = e.parentElement) {
    const box = e.getBoundingClientRect();
    const cut = getComputedStyle(e).overflow !== 'visible';
    if (cut && box.width <= 1 && box.height <= 1) return true;
  }
  const box = element.getBoundingClientRect();
  return box.right + scrollX <= 0 || box.bottom + scrollY <= 0;
}

const isSilent = (element) => element.closest('[aria-hidden="true"], [inert]') !== null;

// The text that an element's content gives it: https://www.w3.org/TR/accname-1.2/, the parts that pages use.
function contentOf(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE) return '';
  if (node.getAttribute('aria-hidden') === 'true' || !node.checkVisibility({ visibilityProperty: true })) return '';
  if (node.getAttribute('aria-label')) return node.getAttribute('aria-label');
  if (node.localName === 'img') return node.alt;
  if (node.localName === 'svg') return node.querySelector('title')?.textContent ?? '';
  if (['input', 'select', 'textarea', 'script', 'style'].includes(node.localName)) return '';
  return [...node.childNodes].map(contentOf).join(' ');
}

// The accessible name. A placeholder is none: it is gone with the first letter.
function nameOf(element) {
  const attribute = (name) => element.getAttribute(name) ?? '';
  const referred = attribute('aria-labelledby').split(/\s+/).filter(Boolean)
    .map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
  if (squeeze(referred)) return squeeze(referred);
  if (squeeze(attribute('aria-label'))) return squeeze(attribute('aria-label'));
  const labels = squeeze([...(element.labels ?? [])].map(contentOf).join(' '));
  if (labels) return labels;
  if (element.localName === 'input') {
    const standard = { submit: 'Submit', reset: 'Reset' }[element.type] ?? '';
    if (['submit', 'reset', 'button'].includes(element.type)) return squeeze(element.value || standard);
    if (element.type === 'image') return squeeze(element.alt || attribute('title'));
  } else if (element.localName === 'img') {
    if (squeeze(element.alt)) return squeeze(element.alt);
  } else if (!['select', 'textarea'].includes(element.localName)) {
    const content = squeeze([...element.childNodes].map(contentOf).join(' '));
    if (content) return content;
  }
  return squeeze(attribute('title'));
}

// [red, green, blue, alpha]: 0 to 255, and 0 to 1.
function colour(css) {
  const plain = /^rgba?\(([^)]+)\)$/.exec(css);
  if (plain) {
    const [red, green, blue, alpha = 1] = plain[1].split(/[ ,/]+/).map(Number);
    return [red, green, blue, alpha];
  }
  // oklch(), color-mix() and their like: painted, and looked at.
  const brush = new OffscreenCanvas(1, 1).getContext('2d');
  brush.fillStyle = css;
  brush.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
}

// One colour over another that hides all behind it.
const over = (front, back) =>
  [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);

// What is painted where nothing is: white, or the dark scheme's black.
function canvas() {
  const probe = document.createElement('i');
  probe.style.backgroundColor = 'Canvas';
  document.documentElement.append(probe);
  const painted = colour(getComputedStyle(probe).backgroundColor);
  probe.remove();
  return painted;
}

// The colours of an element's text and of what lies behind it, as they reach the eye; nothing if that is an image.
function painted(element) {
  const chain = [];
  for (let e = element; e; e = e.parentElement) chain.unshift(e);
  let image = false;
  const paint = (index, behind) => {
    const style = getComputedStyle(chain[index]);
    const own = colour(style.backgroundColor);
    if (own[3] === 1) image = false;
    if (style.backgroundImage !== 'none') image = true;
    const back = over(own, behind);
    const inner = index + 1 < chain.length
      ? paint(index + 1, back)
      : { text: over(colour(style.color), back), back };
    const opacity = Number(style.opacity);
    const seen = (tone) => over([...tone.slice(0, 3), opacity], behind);
    return opacity < 1 ? { text: seen(inner.text), back: seen(inner.back) } : inner;
  };
  const result = paint(0, canvas());
  return image ? null : result;
}

// https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
function contrast(one, other) {
  const luminance = (tone) => {
    const [red, green, blue] = tone.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const hex = (tone) => '#' + tone.slice(0, 3).map((v) => Math.round(v).toString(16).padStart(2, '0')).join('');

// The elements that show text of their own, with that text.
function* texts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = squeeze(walker.currentNode.data);
    if (!text || seen.has(element) || element.closest('option, script, style')) continue;
    seen.add(element);
    yield [element, text];
  }
  for (const field of document.querySelectorAll('input, select, textarea')) {
    const shown = field.localName === 'select' ? field.selectedOptions[0]?.text : field.value;
    if (shown && !['hidden', 'checkbox', 'radio', 'range', 'color'].includes(field.type)) yield [field, shown];
  }
}

function faults() {
  const found = [];
  const note = (fault, element, detail) =>
    found.push({ fault, element: typeof element === 'string' ? element : describe(element), detail });
  const all = (css) => [...document.querySelectorAll(css)];

  if (!squeeze(document.documentElement.lang)) note('language', 'html', 'has no lang');
  const headings = all('h1').filter(isVisible);
  if (headings.length !== 1) note('heading', 'h1', `there are ${headings.length} of it, and not one`);
  const meta = document.querySelector('meta[name=viewport]')?.content ?? '';
  if (!meta.includes('width=device-width')) {
    note('viewport', 'meta', 'no name=viewport with width=device-width: a telephone shows a page of 980 pixels');
  }

  const ids = all('[id]').map((element) => element.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) {
    note('id', document.getElementById(id), `is not alone with the id ${id}`);
  }

  const fields = 'input:not([type=hidden], [type=submit], [type=reset], [type=button], [type=image]), select, textarea';
  const roles = ['button', 'link', 'checkbox', 'switch', 'radio', 'tab', 'menuitem', 'option'];
  const controls = 'button, a[href], summary, input[type=submit], input[type=reset], input[type=button], ' +
    'input[type=image], ' + roles.map((role) => `[role=${role}]`).join(', ');
  for (const element of all(fields).filter(isVisible)) {
    if (!isSilent(element) && !nameOf(element)) note('label', element, 'has no label');
  }
  for (const element of all(controls).filter(isVisible)) {
    if (!isSilent(element) && !element.matches(fields) && !nameOf(element)) note('name', element, 'has no name');
  }
  for (const image of all('img:not([alt]), svg[role=img], [role=img]:not(img, svg)').filter(isVisible)) {
    const named = image.localName === 'img' ? nameOf(image) : nameOf(image) || contentOf(image).trim();
    if (!isSilent(image) && !named) {
      note('alt', image, 'has no alternative text (alt="" when it says nothing)');
    }
  }

  for (const [element, text] of texts()) {
    // What cannot be used is exempt: https://www.w3.org/TR/WCAG22/#contrast-minimum
    if (element.closest(':disabled, [aria-disabled="true"], [inert]')) continue;
    if (!isVisible(element) || isOutOfSight(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const needed = large ? 3 : 4.5;
    const tones = painted(element);
    const what = `"${shorten(text)}"`;
    if (!tones) {
      note('contrast', element, `${what} stands on an image: give it a background colour`);
      continue;
    }
    const ratio = contrast(tones.text, tones.back);
    if (ratio < needed) {
      const ratios = `${(Math.floor(ratio * 100) / 100).toFixed(2)}:1, and needs ${needed}:1`;
      note('contrast', element, `${what}, ${hex(tones.text)} on ${hex(tones.back)}: ${ratios}`);
    }
  }

  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) {
    const isCut = (element) => {
      for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) {
        if (getComputedStyle(e).overflowX !== 'visible') return true;
      }
      return false;
    };
    const wide = all('body *').filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !isCut(e));
    note('overflow', wide.at(-1) ?? 'html', `the page is ${width} pixels wide, the window ${innerWidth}`);
  }
  return found;
}
