// One station at a time is heard, and its level shown.

const quietest = -60; // dBFS that the meter begins at

const player = {
  audio: new Audio(),
  card: null,
  volume: byId("volume"),
  // Made when somebody first presses a button: no sound may begin before that.
  context: null,
  gain: null,
  // One for each of the first two channels. Together they would cancel what is inverted.
  analysers: [],
  frame: 0,

  toggle(card) {
    if (this.card === card) this.stop();
    else this.play(card);
  },

  play(card) {
    if (this.card) this.stop();
    this.card = card;
    this.connect();
    this.audio.src = "live/" + encodeURIComponent(card.name) + ".wav";
    this.audio.play().catch((error) => {
      if (this.card !== card) return;
      this.stop();
      say("Could not play " + card.name + ": " + error.message);
    });
    card.showPlaying(true);
    this.measure();
  },

  // The stream goes through the analysers before the volume: what is measured is what was sent.
  connect() {
    if (!this.context) {
      this.context = new AudioContext();
      this.gain = this.context.createGain();
      const stream = this.context.createMediaElementSource(this.audio);
      const splitter = this.context.createChannelSplitter(2);
      stream.connect(splitter);
      stream.connect(this.gain).connect(this.context.destination);
      this.analysers = [0, 1].map((channel) => {
        const analyser = this.context.createAnalyser();
        splitter.connect(analyser, channel);
        return analyser;
      });
      this.setVolume();
    }
    this.context.resume();
  },

  setVolume() {
    if (this.gain) this.gain.gain.value = this.volume.value / 100;
  },

  // At each picture while something plays: the highest sample of the last 2048.
  measure() {
    cancelAnimationFrame(this.frame);
    if (!this.card) return;
    let peak = 0;
    for (const analyser of this.analysers) {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    }
    this.card.showLevel(Math.max(quietest, 20 * Math.log10(peak)));
    this.frame = requestAnimationFrame(() => this.measure());
  },

  stop() {
    const card = this.card;
    this.card = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
    if (card) card.showPlaying(false);
  },

  ended() {
    if (!this.card) return;
    const name = this.card.name;
    this.stop();
    say("The stream of " + name + " ended.");
  },

  begin() {
    this.audio.addEventListener("error", () => this.ended());
    this.audio.addEventListener("ended", () => this.ended());
    this.audio.addEventListener("playing", () => { if (this.card) say("Playing " + this.card.name + "."); });
    this.volume.addEventListener("input", () => this.setVolume());
  },
};
