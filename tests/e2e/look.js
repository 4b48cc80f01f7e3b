// What is wrong with the page to the eye: called by Playwright, in the page.
() => {
  const LEAST_CONTRAST = 4.5;
  const LEAST_CONTRAST_LARGE = 3; // 24 px, or 18.66 px in bold (WCAG 2.2, 1.4.3)
  const problems = [];
  const tell = (what, element) => {
    const words = (element.innerText ?? element.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 60);
    problems.push(`${what}: ${element.tagName.toLowerCase()}.${element.dataset?.testid ?? element.className} "${words}"`);
  };

  const everything = [];
  const walk = (node) => {
    for (const each of node.querySelectorAll("*")) {
      everything.push(each);
      if (each.shadowRoot) walk(each.shadowRoot);
    }
  };
  walk(document.body);
  const parentOf = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  const above = (element) => {
    const found = [];
    for (let each = element; each; each = parentOf(each)) found.push(each);
    return found;
  };
  const isOnScreen = (box) => box.width > 1 && box.height > 1 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  const isSeen = (element) => isOnScreen(element.getBoundingClientRect()) && element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const hasOwnText = (element) => [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim());

  // Nothing to scroll to the right.
  for (const each of [document.scrollingElement, ...document.querySelectorAll("[data-testid=stMain], [data-testid=stSidebarContent]")]) {
    if (each.scrollWidth > each.clientWidth + 1) tell(`scrolls to the right by ${each.scrollWidth - each.clientWidth} px`, each);
  }

  // Nothing went wrong.
  for (const each of document.querySelectorAll("[data-testid=stException]")) tell("exception", each);

  // Nothing that matters is cut off.
  const matters = "h1, h2, h3, button, label, summary, [role=tab], [data-testid=stMetricValue], [data-testid=stMetricLabel], [data-testid=stText], [data-testid=stSidebarNavLink], .chip, .banner";
  for (const each of everything) {
    if (!each.matches(matters) || !isSeen(each)) continue;
    for (const part of [each, ...each.querySelectorAll("*")]) {
      if (!hasOwnText(part) || !isSeen(part)) continue;
      const cuts = above(part).find((one) => getComputedStyle(one).overflowX !== "visible");
      const range = document.createRange();
      range.selectNodeContents(part);
      const text = range.getBoundingClientRect();
      const box = cuts?.getBoundingClientRect();
      const isRolled = cuts && ["auto", "scroll"].includes(getComputedStyle(cuts).overflowX);
      if (box && !isRolled && text.width > 0 && text.right > box.right + 1 && isOnScreen(text)) tell(`cut off by ${Math.round(text.right - box.right)} px`, part);
    }
  }

  // All can be read: the colour of the text against what is painted behind it.
  const canvas = new OffscreenCanvas(1, 1);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, { rgb: [red, green, blue], alpha: alpha / 255 });
    }
    return known.get(colour);
  };
  const over = (top, alpha, bottom) => top.map((value, index) => value * alpha + bottom[index] * (1 - alpha));
  const luminance = (rgb) => {
    const [red, green, blue] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (chain) => {
    let ground = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
    for (const each of chain.toReversed()) {
      const style = getComputedStyle(each);
      if (style.backgroundImage !== "none") return null; // a picture or a pattern
      const { rgb, alpha } = rgba(style.backgroundColor);
      ground = over(rgb, alpha * Number(style.opacity), ground);
    }
    return ground;
  };
  // What is switched off, pictures of letters, and the colours in which Streamlit sets code.
  const isExempt = (chain) => chain.some((each) => each.disabled || each.getAttribute("aria-disabled") === "true" || each.getAttribute("aria-hidden") === "true" || each.tagName === "svg" || each.classList.contains("token") || each.dataset?.testid === "stIconMaterial");
  let texts = 0;
  const told = new Set();
  for (const each of everything) {
    if (!hasOwnText(each) || !isSeen(each) || ["STYLE", "SCRIPT", "NOSCRIPT", "OPTION"].includes(each.tagName)) continue;
    const chain = above(each);
    const style = getComputedStyle(each);
    const ground = groundOf(chain);
    if (ground === null || isExempt(chain)) continue;
    texts += 1;
    const opacity = chain.reduce((product, one) => product * Number(getComputedStyle(one).opacity), 1);
    const { rgb, alpha } = rgba(style.color);
    const [light, dark] = [luminance(over(rgb, alpha * opacity, ground)), luminance(ground)].sort((one, other) => other - one);
    const contrast = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const name = `${each.tagName} ${each.className}`;
    if (contrast < (isLarge ? LEAST_CONTRAST_LARGE : LEAST_CONTRAST) && !told.has(name)) {
      told.add(name);
      tell(`contrast ${contrast.toFixed(2)}`, each);
    }
  }

  // Nothing covers what the page begins with.
  for (const each of everything) {
    if (!each.matches("h1, h2, [data-testid=stMetricValue], [data-part=title]") || !isSeen(each) || !hasOwnText(each)) continue;
    const box = each.getBoundingClientRect();
    if (box.top < 0 || box.bottom > innerHeight) continue;
    const root = each.getRootNode();
    const hit = root.elementFromPoint(box.left + Math.min(box.width / 2, 20), box.top + box.height / 2);
    if (hit && above(hit).some((one) => one.getAttribute("role") === "dialog")) continue; // a sheet that is meant to cover
    if (hit && !above(hit).includes(each) && !above(each).includes(hit)) tell(`covered by ${hit.tagName} ${hit.dataset?.testid ?? hit.className}`, each);
  }
  return { problems, texts };
}
