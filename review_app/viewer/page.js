/** The page round the component: Streamlit's, in the browser's window. */

const LEAST_PX = 480;
const MARGIN_PX = 12;

/** Make it as high as the window leaves room for: all decisions are in sight without scrolling. */
export function fitWindow(desk) {
  const top = desk.getBoundingClientRect().top + window.scrollY;
  const height = `${Math.max(LEAST_PX, Math.floor(window.innerHeight - top - MARGIN_PX))}px`;
  if (desk.style.height !== height) desk.style.height = height;
}

/** Streamlit locks the page when its server is gone; whether it had, and no longer does. */
export function closeConnectionError() {
  const dialog = document.querySelector('body > [data-testid="stDialog"]');
  if (!dialog?.textContent.includes("Connection error")) return false;
  dialog.querySelector('button[aria-label="Close"]')?.click();
  return true;
}
