internal import WeirHTTP
internal import WeirLoop

/// `GET /`: the stations, and a button that plays each. One text without anything from elsewhere; what changes is asked
/// of `GET /live`.
@LoopActor
enum Page {
    /// A browser runs and styles only what carries this response's nonce, and connects only here (CSP level 3).
    static func response() -> Response {
        let nonce = newNonce()
        var response = Response.text(
            html.replacing("NONCE", with: nonce), type: "text/html; charset=utf-8")
        response.fields.append("Cache-Control", "no-store")
        response.fields.append("Content-Security-Policy", policy(nonce))
        response.fields.append("X-Content-Type-Options", "nosniff")
        response.fields.append("Referrer-Policy", "no-referrer")
        response.fields.append("Cross-Origin-Opener-Policy", "same-origin")
        return response
    }

    static func policy(_ nonce: String) -> String {
        "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "media-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    /// 32 hexadecimal digits from the system's random numbers.
    private static func newNonce() -> String {
        (0..<2).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Weir</title>
        <link rel="icon" href="data:,">
        <style nonce="NONCE">
        :root {
          color-scheme: light dark;
          --ground: #f7f7f5; --card: #ffffff; --text: #1b1c1d; --quiet: #565a5e; --line: #d9dbdc;
          --accent: #0b5cad; --on-accent: #ffffff; --good: #14692f; --warn: #8a4b00; --bad: #a41c1c;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #15171a; --card: #1f2226; --text: #e9eaec; --quiet: #a9aeb4; --line: #3a3f45;
            --accent: #7cb7ff; --on-accent: #10233a; --good: #7fd495; --warn: #f0b35c; --bad: #ff9c94;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 46rem; background: var(--ground);
          color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
        }
        header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; }
        h1 { margin: 0; font-size: 1.6rem; }
        h2 { margin: 0; font-size: 1.15rem; overflow-wrap: anywhere; }
        p { margin: .25rem 0; }
        ul { list-style: none; margin: 1rem 0; padding: 0; }
        li {
          display: grid; grid-template-columns: 1fr auto; gap: .25rem 1rem; align-items: center;
          margin: 0 0 .75rem; padding: .9rem 1rem; background: var(--card); border: 1px solid var(--line);
          border-radius: .6rem;
        }
        dl { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .2rem 0 0; color: var(--quiet); }
        dl div { display: flex; gap: .35rem; }
        dt::after { content: ":"; }
        dd { margin: 0; color: var(--text); font-variant-numeric: tabular-nums; }
        .quiet { color: var(--quiet); }
        .live, .ok { color: var(--good); }
        .starting, .stalled, .degraded { color: var(--warn); }
        .failed, .failing, .error { color: var(--bad); }
        .error { grid-column: 1 / -1; overflow-wrap: anywhere; }
        button, .button {
          min-width: 5.5rem; padding: .55rem 1rem; border: 1px solid var(--accent); border-radius: .45rem;
          background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-align: center;
          text-decoration: none; cursor: pointer;
        }
        button.on { background: transparent; color: var(--accent); }
        button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        label { display: inline-flex; align-items: center; gap: .5rem; color: var(--quiet); }
        footer { color: var(--quiet); }
        footer a { color: inherit; }
        code { font-size: .92em; overflow-wrap: anywhere; }
        </style>
        </head>
        <body>
        <header>
        <h1>Weir</h1>
        <p>Health: <strong id="health">…</strong></p>
        <label for="volume">Volume <input id="volume" type="range" min="0" max="100" value="80"></label>
        </header>
        <main>
        <ul id="stations" aria-label="Stations"></ul>
        <p id="notice" role="status" class="quiet">Asking for the stations …</p>
        <noscript><p>Without scripts: open <a href="live">/live</a> for the list, and <code>/live/NAME.wav</code> to listen.</p></noscript>
        </main>
        <footer><p><a href="live">/live</a> · <a href="health">/health</a> · <a href="metrics">/metrics</a></p></footer>
        <script nonce="NONCE">
        "use strict";
        const list = document.getElementById("stations");
        const notice = document.getElementById("notice");
        const health = document.getElementById("health");
        const volume = document.getElementById("volume");
        const cards = new Map();
        const player = new Audio();
        let playing = null;

        function say(text) { if (notice.textContent !== text) notice.textContent = text; }
        function put(node, text) { if (node.textContent !== text) node.textContent = text; }

        function stop() {
          const card = playing;
          playing = null;
          player.pause();
          player.removeAttribute("src");
          player.load();
          if (card) show(card);
        }
        function play(card) {
          if (playing) stop();
          playing = card;
          player.volume = volume.value / 100;
          player.src = "live/" + encodeURIComponent(card.name) + ".wav";
          player.play().catch((error) => {
            if (playing !== card) return;
            stop();
            say("Could not play " + card.name + ": " + error.message);
          });
          show(card);
        }
        player.addEventListener("error", () => {
          if (!playing) return;
          const name = playing.name;
          stop();
          say("The stream of " + name + " ended.");
        });
        player.addEventListener("ended", () => { if (playing) stop(); });
        player.addEventListener("playing", () => { if (playing) say("Playing " + playing.name + "."); });
        volume.addEventListener("input", () => { player.volume = volume.value / 100; });

        function fact(facts, term) {
          const row = document.createElement("div");
          const name = document.createElement("dt");
          const value = document.createElement("dd");
          name.textContent = term;
          row.append(name, value);
          facts.append(row);
          return value;
        }
        function make(station) {
          const card = { name: station.name, item: document.createElement("li") };
          const about = document.createElement("div");
          const title = document.createElement("h2");
          title.textContent = station.name;
          const facts = document.createElement("dl");
          card.state = fact(facts, "State");
          card.format = fact(facts, "Format");
          card.rate = fact(facts, "Rate");
          card.listeners = fact(facts, "Listeners");
          card.error = document.createElement("p");
          card.error.className = "error";
          card.error.hidden = true;
          about.append(title, facts);
          if (station.format === "pcm") {
            card.button = document.createElement("button");
            card.button.type = "button";
            card.button.addEventListener("click", () => { if (playing === card) stop(); else play(card); });
          } else {
            card.button = document.createElement("a");
            card.button.className = "button";
            card.button.href = "live/" + encodeURIComponent(station.name);
            card.button.textContent = "Open";
            card.button.setAttribute("aria-label", "Open the stream of " + station.name);
          }
          card.item.append(about, card.button, card.error);
          list.append(card.item);
          cards.set(station.name, card);
          return card;
        }
        function show(card) {
          if (card.button.tagName !== "BUTTON") return;
          const on = playing === card;
          put(card.button, on ? "Stop" : "Play");
          card.button.classList.toggle("on", on);
          const label = (on ? "Stop " : "Play ") + card.name;
          if (card.button.getAttribute("aria-label") !== label) card.button.setAttribute("aria-label", label);
        }
        function update(card, station) {
          put(card.state, station.state);
          card.state.className = station.state;
          put(card.format, station.format);
          put(card.rate, station.bitrate ? (station.bitrate / 1000).toFixed(0) + " kbit/s" : "unknown");
          put(card.listeners, String(station.listeners.length));
          put(card.error, station.last_error || "");
          card.error.hidden = !station.last_error;
          show(card);
        }
        async function refresh() {
          try {
            const answer = await fetch("live", { cache: "no-store" });
            if (!answer.ok) throw new Error("status " + answer.status);
            const stations = (await answer.json()).stations;
            for (const station of stations) update(cards.get(station.name) || make(station), station);
            for (const [name, card] of cards) {
              if (stations.some((station) => station.name === name)) continue;
              if (playing === card) stop();
              card.item.remove();
              cards.delete(name);
            }
            if (!playing) {
              say(stations.length === 0 ? "There is no station." : stations.length === 1 ? "1 station." : stations.length + " stations.");
            }
            const state = await (await fetch("health", { cache: "no-store" })).json();
            put(health, state.status);
            health.className = state.status;
            health.title = state.checks.filter((check) => check.status !== "ok").map((check) => check.message).join("; ");
          } catch (error) {
            say("The server does not answer: " + error.message);
            put(health, "unknown");
            health.className = "";
          }
        }
        async function run() {
          for (;;) {
            if (!document.hidden) await refresh();
            await new Promise((resolve) => setTimeout(resolve, 2000));
          }
        }
        run();
        </script>
        </body>
        </html>

        """
}
