"use strict";
// Elements, and how values are written. Whatever comes from outside becomes text of a node, never markup.

const byId = (id) => document.getElementById(id);

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function button(text, label, whenPressed) {
  const node = element("button", "", text);
  node.type = "button";
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", () => {
    if (node.getAttribute("aria-disabled") !== "true") whenPressed();
  });
  return node;
}

// A button that has nothing to do keeps the focus, so it is not `disabled`.
function enable(node, isEnabled) {
  if (isEnabled) node.removeAttribute("aria-disabled");
  else node.setAttribute("aria-disabled", "true");
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function say(text) { put(byId("notice"), text); }

function bytesText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return (unit === 0 ? String(value) : value.toFixed(1)) + " " + units[unit];
}

function secondsText(seconds) {
  if (seconds === null || seconds === undefined) return "unknown";
  if (seconds < 60) return seconds.toFixed(seconds < 10 ? 2 : 0) + " s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes + " min " + Math.floor(seconds % 60) + " s";
  return Math.floor(minutes / 60) + " h " + (minutes % 60) + " min";
}

function timeText(text) {
  const time = new Date(text);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? time.toLocaleTimeString() : time.toLocaleString();
}

function countText(count, one, many) { return count + " " + (count === 1 ? one : many); }

// "closed 3, kicked 1"
function reasonsText(ends) {
  const parts = Object.entries(ends).filter(([, count]) => count > 0).map(([reason, count]) => reason + " " + count);
  return parts.length === 0 ? "none" : parts.join(", ");
}
