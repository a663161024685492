// A station: what it is, how it is, and what can be done with it.

class Card {
  constructor(station, list) {
    this.name = station.name;
    this.heading = element("h2", "", station.name);
    this.state = element("span", "state");
    this.title = element("p", "title");
    this.error = element("p", "bad");
    this.facts = element("dl", "");
    this.values = new Map();
    this.item = element("li", "");
    this.item.append(
      element("div", "top", this.heading, this.state, this.opener(station)), this.title, this.error, this.facts, this.controls());
    this.listeners = new ListenerTable(this.item, station.name);
    this.ends = new EndTable(this.item, station.name);
    list.append(this.item);
  }

  // What plays it here, or leads to it: browsers play PCM only.
  opener(station) {
    const path = "live/" + encodeURIComponent(this.name);
    if (station.format === "pcm") {
      this.play = button("Play", "Play " + this.name, () => player.toggle(this));
      this.level = element("meter", "");
      Object.assign(this.level, { min: quietest, max: 0, high: -3, value: quietest, hidden: true });
      this.level.setAttribute("aria-label", "Level of " + this.name);
      return element("div", "player", this.level, this.play);
    }
    const link = element("a", "button", "Open");
    link.href = path + (station.format === "ts" ? ".ts" : "");
    link.setAttribute("aria-label", "Open the stream of " + this.name);
    return link;
  }

  controls() {
    const path = "live/" + encodeURIComponent(this.name) + "/";
    const post = (word) => button(
      word, word + " " + this.name, () => order(word.toLowerCase() + " " + this.name, "POST", path + word.toLowerCase()));
    this.start = post("Start");
    this.stop = post("Stop");
    this.commit = post("Commit");
    this.uncommit = post("Uncommit");
    this.commit.title = "Counts as watched, without listeners too";
    this.uncommit.title = "Counts as watched while somebody listens";

    const input = element("input", "");
    input.type = "text";
    input.maxLength = 500;
    input.autocomplete = "off";
    const label = element("label", "", "Title ", input);
    input.setAttribute("aria-label", "Title of " + this.name);
    const set = element("button", "", "Set");
    set.setAttribute("aria-label", "Set the title of " + this.name);
    const form = element("form", "", label, set);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await order("set the title of " + this.name, "POST", path + "metadata", { title: input.value })) input.value = "";
    });

    const group = element("div", "controls", this.start, this.stop, this.commit, this.uncommit, form);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Control of " + this.name);
    return group;
  }

  // A fact that is not known takes no room.
  fact(term, text, className) {
    let row = this.values.get(term);
    if (!row) {
      if (!text) return;
      row = element("div", className || "", element("dt", "", term), element("dd", ""));
      this.values.set(term, row);
      this.facts.append(row);
    }
    row.hidden = !text;
    put(row.lastChild, text || "");
  }

  showLevel(decibels) {
    this.level.value = decibels;
    this.level.title = decibels.toFixed(0) + " dBFS";
  }

  showPlaying(isPlaying) {
    this.level.hidden = !isPlaying;
    put(this.play, isPlaying ? "Silence" : "Play");
    this.play.classList.toggle("on", isPlaying);
    this.play.setAttribute("aria-label", (isPlaying ? "Silence " : "Play ") + this.name);
  }

  update(station) {
    put(this.state, station.state);
    this.state.className = "state " + station.state;
    put(this.title, station.title || "");
    this.title.hidden = !station.title;
    put(this.error, station.last_error ? "Last error: " + station.last_error : "");
    this.error.hidden = !station.last_error;

    this.fact("Source", station.kind + " (" + station.autostart + ")");
    this.fact("Restarts", String(station.restarts));
    this.fact("Format", formatText(station));
    this.fact("Bitrate", station.bitrate ? (station.bitrate / 1000).toFixed(0) + " kbit/s" : "unknown");
    this.fact("Window", station.window_ms === 0 ? "every write" : station.window_ms + " ms");
    this.fact("Fallback", station.fallback);
    this.fact("Access", station.access === "signed" ? "signed links" : null);
    this.fact("Sent by", station.source && senderText(station.source), "wide");
    this.fact("Pulled from", station.origin && originText(station.origin), "wide");
    this.fact("Programmes", station.ts && programsText(station.ts), "wide");
    this.fact("Stream", station.ts && transportText(station.ts), "wide");
    this.fact("Kept", station.warm && keptText(station.warm), "wide");

    const isOff = station.state === "stopped";
    enable(this.start, ["stopped", "idle", "failed"].includes(station.state));
    enable(this.stop, !isOff);
    this.commit.hidden = this.uncommit.hidden = !station.warm;
    if (station.warm) {
      enable(this.commit, !station.warm.commit_requested);
      enable(this.uncommit, station.warm.commit_requested);
    }
    // A page cannot give the link that such a station asks for.
    if (this.play) enable(this.play, station.access === "open" || player.card === this);
    this.listeners.update(station.listeners, station.listeners_max);
  }

  remove() {
    if (player.card === this) player.stop();
    this.item.remove();
  }
}

function formatText(station) {
  if (!station.pcm) return station.format;
  const { sample, rate, channels } = station.pcm;
  const places = ["mono", "stereo"][channels - 1] || channels + " channels";
  return "pcm, " + sample + ", " + rate / 1000 + " kHz, " + places;
}

function senderText(sender) {
  const parts = [sender.address, "since " + timeText(sender.since), bytesText(sender.bytes)];
  return parts.concat([sender.name, sender.agent, sender.audio].filter((text) => text)).join(", ");
}

function originText(origin) {
  if (!origin.since) return origin.url;
  const parts = [origin.url, "since " + timeText(origin.since), origin.location !== origin.url && "at " + origin.location];
  return parts.concat([origin.name, origin.server, origin.type]).filter((text) => text).join(", ");
}

function programsText(ts) {
  if (ts.state === "search") return "no packets";
  if (ts.programs.length === 0) return "unknown";
  const codecs = (program) => program.streams.map((stream) => stream.codec + " (" + stream.pid + ")").join(" + ");
  return ts.programs.map((program) => program.number + ": " + codecs(program)).join("; ");
}

function transportText(ts) {
  return [
    "packets of " + ts.packet_size + " bytes", countText(ts.access_points, "access point", "access points"),
    countText(ts.sync_losses, "sync loss", "sync losses"), countText(ts.continuity_errors, "continuity error", "continuity errors"),
    countText(ts.gaps, "gap", "gaps"),
  ].join(", ");
}

function keptText(warm) {
  if (warm.off) return "nothing, the disk failed";
  const committed = warm.commit_requested ? ", committed" : warm.committed ? ", watched" : ", not watched";
  return warm.seconds.toFixed(1) + " s, " + bytesText(warm.bytes) + " of " + bytesText(warm.max) + committed;
}
