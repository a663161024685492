// Asks how things are, again and again while somebody looks.

const interval = 2000; // milliseconds between an answer and the next question

const cards = new Map();
const downloads = new Downloads(byId("downloads"));

const health = {
  value: byId("health"),
  checks: byId("checks"),

  show(status, complaints) {
    put(this.value, status);
    this.value.className = status;
    if ([...this.checks.children].map((item) => item.textContent).join("\n") === complaints.join("\n")) return;
    this.checks.replaceChildren(...complaints.map((text) => element("li", "", text)));
    this.checks.hidden = complaints.length === 0;
  },
};

const refresh = {
  timer: 0,
  isAsking: false,
  isWanted: false,
  lostSince: null,

  // Now, or when the questions that are under way have been answered.
  soon() {
    clearTimeout(this.timer);
    this.isWanted = true;
    if (!this.isAsking) this.turn();
  },

  async turn() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    this.isAsking = true;
    this.isWanted = false;
    try {
      await this.ask();
      this.found();
    } catch (error) {
      this.lost(error);
    }
    this.isAsking = false;
    if (this.isWanted) this.turn();
    else if (!document.hidden) this.timer = setTimeout(() => this.turn(), interval);
  },

  async ask() {
    const stations = (await askJSON("live")).stations;
    for (const station of stations) {
      let card = cards.get(station.name);
      // What plays it depends on the format.
      if (card && (card.play !== undefined) !== (station.format === "pcm")) {
        card.remove();
        card = null;
      }
      if (!card) {
        card = new Card(station, byId("stations"));
        cards.set(station.name, card);
      }
      card.update(station);
      await card.ends.update(station.ends);
    }
    for (const [name, card] of cards) {
      if (stations.some((station) => station.name === name)) continue;
      card.remove();
      cards.delete(name);
    }
    if (stations.length === 0) say("There is no station.");
    else if (byId("notice").textContent === "Asking for the stations …") say(countText(stations.length, "station.", "stations."));
    downloads.update(await askJSON("downloads/status"));
    const report = await askJSON("health");
    health.show(
      report.status, report.checks.filter((check) => check.status !== "ok").map((check) => check.message || check.name));
  },

  found() {
    if (this.lostSince === null) return;
    this.lostSince = null;
    byId("alarm").hidden = true;
    document.body.classList.remove("lost");
    say("The server answers again.");
  },

  lost(error) {
    if (this.lostSince !== null) return;
    this.lostSince = new Date();
    put(byId("alarm"), "The server has not answered since " + this.lostSince.toLocaleTimeString() + " (" + error.message +
      "). What stands here is old; it is asked again every " + interval / 1000 + " seconds.");
    byId("alarm").hidden = false;
    document.body.classList.add("lost");
    health.show("unknown", []);
  },
};

token.whenChanged = () => {
  for (const card of cards.values()) card.ends.forget();
  refresh.soon();
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh.soon(); });
token.begin();
player.begin();
refresh.turn();
