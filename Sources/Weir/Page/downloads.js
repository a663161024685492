// Chapters and books as files: what is being made of them, and what is kept. Shown once somebody has asked for one.

class Downloads {
  constructor(place) {
    this.place = place;
    this.facts = element("dl", "");
    place.append(element("h2", "", "Downloads"), this.facts);
    this.table = new Table(place, "Downloads that are being made", [
      ["Title", "long"], ["Format", ""], ["Made", "number"], ["Of", "number"], ["Readers", "number"],
    ]);
    this.values = new Map(["Requests", "From the cache", "Kept", "Waiting for memory", "Failed"].map((name) => {
      const value = element("dd", "");
      this.facts.append(element("div", "", element("dt", "", name), value));
      return [name, value];
    }));
    this.trouble = element("p", "bad");
    this.trouble.hidden = true;
    place.append(this.trouble);
  }

  update(status) {
    const requests = status.hits + status.misses + status.joined;
    this.place.hidden = requests === 0 && status.artefacts === 0 && status.fills.length === 0;
    if (this.place.hidden) return;
    const share = requests === 0 ? "none yet" : Math.round((100 * (status.hits + status.joined)) / requests) + " %";
    put(this.values.get("Requests"), requests + " (" + status.joined + " joined)");
    put(this.values.get("From the cache"), share);
    put(this.values.get("Kept"), countText(status.artefacts, "file", "files") + ", " + bytesText(status.bytes) + " of " +
      bytesText(status.budget));
    put(this.values.get("Waiting for memory"), String(status.waiting));
    put(this.values.get("Failed"), String(status.failed));
    put(this.trouble, status.trouble || "");
    this.trouble.hidden = !status.trouble;
    put(this.table.summary, "Being made: " + status.fills.length);
    const rows = status.fills.slice(0, rowsShown).map((fill) => this.line(fill));
    this.table.body.replaceChildren(...rows);
    this.table.frame.hidden = rows.length === 0;
  }

  line(fill) {
    const row = this.table.row();
    [fill.title, fill.format, bytesText(fill.done), bytesText(fill.length), String(fill.readers)]
      .forEach((text, index) => put(row.children[index], text));
    return row;
  }
}
