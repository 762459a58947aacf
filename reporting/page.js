for (const button of document.querySelectorAll(".copy button")) button.onclick = () => {
  getSelection().selectAllChildren(button.parentNode.querySelector("code"));
  document.execCommand("copy");
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
};
const running = document.getElementById("running");
if (running) {
  const { written, patience, reload } = running.dataset;
  document.getElementById("silent").hidden = Date.now() / 1000 - written < patience;
  setInterval(() => {
    if (!String(getSelection()) && !document.querySelector("details[open]")) location.reload();  // nobody is at work in it
  }, 1000 * reload);
}
for (const svg of document.querySelectorAll(".chart svg")) {  // a finger sees no <title>
  svg.onpointermove = svg.onpointerdown = (event) => {
    svg.nextElementSibling.textContent = event.target.querySelector(":scope > title")?.textContent ?? "";
  };
}
for (const head of document.querySelectorAll(".sortable th")) head.firstChild.onclick = () => {
  const body = head.closest("table").tBodies[0], column = head.cellIndex, up = head.ariaSort === "descending";
  const key = (row) => row.cells[column].textContent, amount = (text) => parseFloat(text.replaceAll(",", ""));
  const order = (a, b) => amount(key(a)) - amount(key(b)) || key(a).localeCompare(key(b));
  for (const other of head.parentNode.cells) other.ariaSort = null;
  head.ariaSort = up ? "ascending" : "descending";
  body.append(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
};
