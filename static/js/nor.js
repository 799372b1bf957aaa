// What a page does better with script. Every page works without it.

const root = document.documentElement;
const small = matchMedia("(max-width: 40rem)");

// --- theme: the same cookie that the server sets, without loading the page again

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-form]");
  const theme = event.submitter?.value;
  if (!form || !theme) return;
  event.preventDefault();
  const chosen = theme === "light" || theme === "dark";
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `nor_theme=${chosen ? theme : ""}; path=/; samesite=lax; max-age=${chosen ? 31536000 : 0}${secure}`;
  if (chosen) root.dataset.theme = theme;
  else delete root.dataset.theme;
  for (const button of document.querySelectorAll("[data-theme-form] [aria-pressed]")) {
    button.setAttribute("aria-pressed", String(button.value === (chosen ? theme : "system")));
  }
});

// --- menus: close on Escape, on a click outside, and when another opens

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details[data-menu]")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest("details[data-menu][open]");
  closeMenus();
  menu?.querySelector("summary").focus();
});

// --- what each part of a page needs, when it comes and after htmx put it in

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

function linkAmount(box) {
  const [typed, slid] = box.querySelectorAll("input");
  const output = box.querySelector("output");
  // Words that carry the amount: <button data-amount-words="Grant {} credits">.
  const words = box.closest("form")?.querySelectorAll("[data-amount-words]") ?? [];
  const show = (value) => {
    for (const each of words) each.textContent = each.dataset.amountWords.replace("{}", grouped(value));
    if (output?.dataset.share) {
      output.textContent = output.dataset.share.replace("{}", Math.round((100 * value) / typed.max));
    }
  };
  typed.addEventListener("input", () => {
    slid.value = typed.value;
    show(typed.value);
  });
  slid.addEventListener("input", () => {
    typed.value = slid.value;
    show(slid.value);
  });
}

function prepare(part) {
  const all = (selector) => [...(part.matches?.(selector) ? [part] : []), ...part.querySelectorAll(selector)];
  if (small.matches) for (const fold of all("details[data-collapse-small]")) fold.open = false;
  for (const box of all("[data-amount]")) linkAmount(box);
  for (const select of all("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  for (const button of all("[data-print]")) button.addEventListener("click", () => print());
  // An error summary, or the heading of a panel that was swapped in.
  all("[data-focus]").find((each) => !each.closest("[data-still]"))?.focus();
}

prepare(document.body);
document.addEventListener("htmx:load", (event) => {
  if (event.detail.elt !== document.body) prepare(event.detail.elt);
});

// --- single keys: data-key="a" on a link, button or choice; the reader may switch them off

document.addEventListener("keydown", (event) => {
  if (root.dataset.shortcuts === "off" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]")) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target) return;
  event.preventDefault();
  const field = event.key === "/" && document.getElementById("q");
  if (field) field.focus();
  else target.click();
});
