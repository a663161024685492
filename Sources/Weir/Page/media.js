// Media that are uploaded ahead of need: the worker, what waits, what failed, and taking more in.

const failedShown = 50; // of the media that were given up
const uploadsAtOnce = 3;

class JobTable extends Table {
  constructor(parent) {
    super(parent, "Jobs under way and next", [
      ["Job", "number"], ["State", ""], ["Kind", ""], ["Size", "number"], ["Priority", "number"], ["Since", ""],
      ["SHA-256", "long"], ["Rules", "long"],
    ]);
    this.rows = new Map();
  }

  update(jobs, waiting) {
    put(this.summary, "Jobs: " + countText(jobs.length, "under way or next", "under way or next"));
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      if (row.contains(document.activeElement)) this.summary.focus();
      row.remove();
      this.rows.delete(id);
    }
    for (const job of jobs) this.show(job);
    // The order is the server's.
    jobs.forEach((job, index) => {
      const row = this.rows.get(job.id);
      if (this.body.children[index] !== row) this.body.insertBefore(row, this.body.children[index] || null);
    });
    this.frame.hidden = jobs.length === 0;
    this.remark(jobs.length === 0 ? (waiting > 0 ? "None is due." : "Nothing is to be done.") : "");
  }

  show(job) {
    let row = this.rows.get(job.id);
    if (!row) {
      row = this.row();
      const cell = row.lastChild;
      const why = button("Explain", "Explain the priority of job " + job.id, async () => {
        try {
          const report = await askJSON("prewarm?explain=" + job.id);
          why.remove();
          put(cell, rulesText(report));
        } catch (error) {
          say("No explanation: " + error.message);
        }
      });
      why.className = "small";
      cell.append(why);
      this.rows.set(job.id, row);
      this.body.append(row);
    }
    [
      String(job.id), job.state, job.kind, bytesText(job.bytes), String(job.priority), timeText(job.enqueued_at), job.sha256,
    ].forEach((text, index) => put(row.children[index], text));
  }
}

class FailedTable extends Table {
  constructor(parent) {
    super(parent, "Media that were given up", [
      ["Bot", ""], ["Kind", ""], ["Name", "long"], ["Size", "number"], ["Attempts", "number"], ["At", ""], ["Error", "long"],
      ["Action", ""],
    ]);
    this.shown = "";
    this.all = button("Requeue all", "Requeue all media that were given up", () =>
      order("requeue what was given up", "POST", "prewarm/requeue"));
    this.all.className = "small";
    this.details.append(this.all);
    this.details.addEventListener("toggle", () => { if (this.isOpen) refresh.soon(); });
  }

  async update(count) {
    put(this.summary, "Given up: " + count);
    this.all.hidden = count === 0;
    if (!this.isOpen) return;
    const { media } = await askJSON("media?status=failed&limit=" + failedShown);
    const state = JSON.stringify(media.map((medium) => [medium.id, medium.updated_at]));
    if (state !== this.shown) {
      this.shown = state;
      if (this.body.contains(document.activeElement)) this.summary.focus();
      this.body.replaceChildren(...media.map((medium) => this.line(medium)));
    }
    this.frame.hidden = media.length === 0;
    this.remark(
      media.length === 0 ? "Nothing was given up." : count > media.length ? "And " + (count - media.length) + " more." : "");
  }

  line(medium) {
    const row = this.row();
    [
      medium.bot, medium.kind, medium.name || medium.sha256, bytesText(medium.bytes), String(medium.attempts),
      timeText(medium.updated_at), medium.last_error || "",
    ].forEach((text, index) => put(row.children[index], text));
    const what = medium.kind + " " + (medium.name || medium.sha256);
    const query = new URLSearchParams({ bot: medium.bot, sha256: medium.sha256, kind: medium.kind });
    const again = button("Requeue", "Requeue " + what, () => order("requeue " + what, "POST", "prewarm/requeue?" + query));
    again.className = "small";
    row.lastChild.append(again);
    return row;
  }
}

// Files that are chosen or dropped, each a request of its own with its progress.
class Upload {
  constructor(parent) {
    this.files = element("input", "");
    Object.assign(this.files, { type: "file", multiple: true });
    this.files.setAttribute("aria-label", "Files to upload");
    this.kind = this.choice("Kind", ["by type", "photo", "video", "audio", "document", "animation"]);
    this.bot = this.choice("Bot", []);
    const send = element("button", "", "Upload");
    this.list = element("ul", "uploads");
    this.list.setAttribute("aria-label", "Uploads");
    this.form = element(
      "form", "controls", element("label", "", "Files ", this.files), element("label", "", "Bot ", this.bot),
      element("label", "", "As ", this.kind), send);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send([...this.files.files]);
      this.files.value = "";
    });
    parent.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
    parent.addEventListener("drop", (event) => {
      event.preventDefault();
      this.send([...event.dataTransfer.files]);
    });
    parent.append(this.form, this.list);
  }

  choice(label, names) {
    const select = element("select", "");
    select.setAttribute("aria-label", label + " of the upload");
    this.offer(select, names);
    return select;
  }

  offer(select, names) {
    if ([...select.options].map((option) => option.value).join("\n") === names.join("\n")) return;
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }

  update(bots) {
    this.offer(this.bot, bots);
    this.bot.parentElement.hidden = bots.length < 2;
  }

  async send(files) {
    if (files.length === 0) return say("No file was chosen.");
    if (token.value === null && !await token.ask()) return say("Not done without a token: upload.");
    this.list.replaceChildren();
    const rest = files.slice();
    let failed = 0;
    const lane = async () => {
      for (let file = rest.shift(); file; file = rest.shift()) if (!await this.one(file)) failed += 1;
    };
    await Promise.all(Array.from({ length: uploadsAtOnce }, lane));
    say((failed ? failed + " of " : "") + countText(files.length, "file", "files") + (failed ? " not taken." : " taken."));
    refresh.soon();
  }

  // Gives whether it was taken. `fetch` does not tell how much has gone.
  one(file) {
    const query = new URLSearchParams({ bot: this.bot.value, name: file.name });
    if (this.kind.selectedIndex > 0) query.set("kind", this.kind.value);
    const progress = element("progress", "");
    Object.assign(progress, { max: file.size || 1, value: 0 });
    progress.setAttribute("aria-label", "Upload of " + file.name);
    const state = element("span", "", bytesText(file.size));
    this.list.append(element("li", "", element("span", "", file.name), progress, state));
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      const end = (text, isTaken) => {
        put(state, text);
        state.className = isTaken ? "ok" : "bad";
        resolve(isTaken);
      };
      request.open("POST", "media?" + query);
      request.setRequestHeader("Authorization", token.fields.Authorization);
      request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
      request.upload.addEventListener("progress", (event) => { progress.value = event.loaded; });
      request.addEventListener("error", () => end("the connection was lost", false));
      request.addEventListener("load", () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { /* The status says it. */ }
        if (request.status === 401) token.refused();
        if (request.status >= 300) return end(((answer.error || {}).message || "status") + " (" + request.status + ")", false);
        progress.value = progress.max;
        end(answer.kind + ", " + answer.status, true);
      });
      request.send(file);
    });
  }
}

class MediaPanel {
  constructor(section) {
    this.section = section;
    this.state = element("span", "state");
    this.facts = element("dl", "");
    this.values = new Map();
    this.pause = button("Pause", "Pause the worker", () => order("pause the worker", "POST", "prewarm/pause"));
    this.resume = button("Resume", "Resume the worker", () => order("resume the worker", "POST", "prewarm/resume"));
    const heading = element("h2", "", "Media");
    heading.id = "media-heading";
    const controls = element("div", "controls", this.pause, this.resume);
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "Control of the worker");
    section.append(element("div", "top", heading, this.state), this.facts, controls);
    this.jobs = new JobTable(section);
    this.failed = new FailedTable(section);
    this.upload = new Upload(section);
  }

  fact(term, text) {
    let row = this.values.get(term);
    if (!row) {
      row = element("div", "", element("dt", "", term), element("dd", ""));
      this.values.set(term, row);
      this.facts.append(row);
    }
    put(row.lastChild, text);
  }

  // Without bots there is nothing to ask for.
  async update(isThere) {
    this.section.hidden = !isThere;
    if (!isThere) return;
    const report = await askJSON("prewarm");
    put(this.state, report.state);
    this.state.className = "state " + (report.state === "running" ? "live" : "stalled");
    const cache = report.download_cache;
    this.fact("Queue", report.queue_size + " queued, " + report.waiting + " for another attempt");
    this.fact("Oldest", report.warming > 0 ? secondsText(report.oldest_seconds) : "none");
    this.fact("Workers", report.active_workers + " of " + report.max_concurrency + " (" + Math.round(100 * report.utilization) + " %)");
    this.fact("Ready", String(report.ready));
    this.fact("Warming", String(report.warming));
    this.fact("Given up", String(report.failed));
    this.fact("Cache", countText(cache.entries, "file", "files") + ", " + bytesText(cache.bytes));
    this.fact("Cache hits", hitsText(cache));
    enable(this.pause, report.state === "running");
    enable(this.resume, report.state !== "running");
    this.jobs.update(report.jobs, report.warming);
    this.upload.update(report.bots);
    await this.failed.update(report.failed);
  }
}

function rulesText(report) {
  const rules = report.rules.map(({ rule, points }) => rule + " " + (points > 0 ? "+" : "") + points);
  return rules.join(", ") + " = " + report.score + (report.promoted ? "; somebody waits for it" : "") +
    (report.overdue ? "; overdue" : "");
}

function hitsText(cache) {
  const all = cache.hits + cache.misses;
  if (all === 0) return "none yet";
  return cache.hits + " of " + all + " (" + Math.round(100 * cache.hits / all) + " %), " + bytesText(cache.saved_bytes) + " saved";
}
