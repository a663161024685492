// Tables below a station: who listens, and who left last.

const rowsShown = 200; // of a station's listeners; the others are counted

// A table that is folded away. `columns`: pairs of heading and class.
class Table {
  constructor(parent, what, columns) {
    this.summary = element("summary", "", what);
    this.body = element("tbody", "");
    this.note = element("p", "quiet");
    this.note.hidden = true;
    const headings = columns.map(([text, className]) => {
      const heading = element("th", className, text);
      heading.scope = "col";
      return heading;
    });
    this.columns = columns;
    this.frame = element("div", "scroll", element("table", "", element("thead", "", element("tr", "", ...headings)), this.body));
    // What scrolls can be reached by keyboard, and has a name.
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "region");
    this.frame.setAttribute("aria-label", what);
    this.details = element("details", "", this.summary, this.frame, this.note);
    parent.append(this.details);
  }

  get isOpen() { return this.details.open; }

  row() { return element("tr", "", ...this.columns.map(([, className]) => element("td", className))); }

  remark(text) {
    put(this.note, text);
    this.note.hidden = text === "";
  }
}

class ListenerTable extends Table {
  constructor(parent, station) {
    super(parent, "Listeners of " + station, [
      ["Number", ""], ["Address", ""], ["Path", "long"], ["Since", ""], ["Behind", "number"], ["Lag in bytes", "number"],
      ["Skips", "number"], ["Skipped", "number"], ["Sent", "number"], ["Action", ""],
    ]);
    this.station = station;
    this.rows = new Map();
  }

  update(listeners, most) {
    put(this.summary, "Listeners: " + listeners.length + " of " + most);
    const shown = listeners.slice(0, rowsShown);
    const ids = new Set(shown.map((listener) => listener.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      // The focus does not fall out of the table with a row.
      if (row.contains(document.activeElement)) this.summary.focus();
      row.remove();
      this.rows.delete(id);
    }
    for (const listener of shown) this.show(listener);
    this.frame.hidden = listeners.length === 0;
    const more = listeners.length - shown.length;
    this.remark(listeners.length === 0 ? "Nobody listens." : more > 0 ? "And " + more + " more." : "");
  }

  show(listener) {
    let row = this.rows.get(listener.id);
    if (!row) {
      row = this.row();
      const who = "listener " + listener.id + " at " + listener.address;
      const path = "live/" + encodeURIComponent(this.station) + "/listeners/" + listener.id;
      const kick = button("Kick", "Kick " + who, () => order("kick " + who, "DELETE", path));
      kick.className = "small";
      row.lastChild.append(kick);
      this.rows.set(listener.id, row);
      this.body.append(row);
    }
    [
      String(listener.id), listener.address, listener.path, timeText(listener.since), secondsText(listener.lag_seconds),
      String(listener.lag_bytes), String(listener.skips), bytesText(listener.skipped_bytes), bytesText(listener.sent_bytes),
    ].forEach((text, index) => put(row.children[index], text));
  }
}

class EndTable extends Table {
  constructor(parent, station) {
    super(parent, "Recent ends of listeners of " + station, [
      ["At", ""], ["Reason", ""], ["Address", ""], ["Path", "long"], ["Listened", "number"], ["Skips", "number"], ["Skipped", "number"],
      ["Sent", "number"], ["Error", "long"],
    ]);
    this.station = station;
    // The number of ends that the rows are of; they are asked for when it is another.
    this.shown = -1;
    this.details.addEventListener("toggle", () => { if (this.isOpen) refresh.soon(); });
  }

  forget() {
    this.shown = -1;
    this.body.replaceChildren();
  }

  async update(ends) {
    const count = Object.values(ends).reduce((sum, one) => sum + one, 0);
    put(this.summary, "Recent ends: " + reasonsText(ends));
    if (!this.isOpen || count === this.shown) return;
    if (token.value === null) {
      this.frame.hidden = true;
      return this.remark("Who left is told to those who have the admin token.");
    }
    const answer = await ask("live/" + encodeURIComponent(this.station) + "/ends", { headers: token.fields });
    if (answer.status === 401) {
      token.value = null;
      return this.remark("The server refused the token.");
    }
    if (!answer.ok) return this.remark(await reasonOf(answer));
    const report = await answer.json();
    this.shown = count;
    this.body.replaceChildren(...report.ends.map((end) => this.line(end)));
    this.frame.hidden = report.ends.length === 0;
    this.remark(report.ends.length === 0 ? "Nobody has left yet." : "The last " + report.limit + " at most; older ones are in the log.");
  }

  line(end) {
    const row = this.row();
    [
      timeText(end.until), end.reason, end.address, end.path, secondsText(end.seconds), String(end.skips),
      bytesText(end.skipped_bytes), bytesText(end.sent_bytes), end.error || "",
    ].forEach((text, index) => put(row.children[index], text));
    return row;
  }
}
