// Asking the server, and the token that orders need.

const answerTime = 10000; // milliseconds that an answer may take

async function ask(path, options) {
  return fetch(path, { cache: "no-store", signal: AbortSignal.timeout(answerTime), ...options });
}

async function askJSON(path, options) {
  const answer = await ask(path, options);
  if (!answer.ok && answer.status !== 503) throw new Error(await reasonOf(answer));
  return answer.json();
}

// What a refusal says: {"error":{"message":...}}.
async function reasonOf(answer) {
  try {
    return (await answer.json()).error.message + " (" + answer.status + ")";
  } catch {
    return "status " + answer.status;
  }
}

// The admin token: asked for once, kept for this tab, forgotten when the server refuses it.
const token = {
  key: "weir.token",
  asking: null,
  // Called when there is one, or none any more.
  whenChanged: () => {},

  get value() { return sessionStorage.getItem(this.key); },
  set value(text) {
    if (text === null) sessionStorage.removeItem(this.key);
    else sessionStorage.setItem(this.key, text);
    put(byId("token-button"), text === null ? "Admin token …" : "Forget the token");
    this.whenChanged();
  },
  get fields() { return { Authorization: "Bearer " + this.value }; },

  refused() {
    this.value = null;
    this.problem("The server refused this token.");
  },

  problem(text) {
    put(byId("token-problem"), text);
    byId("token-problem").hidden = text === "";
  },

  // Opens the dialog; gives whether there is a token afterwards.
  ask() {
    if (this.asking) return this.asking;
    const dialog = byId("token-dialog");
    byId("token").value = "";
    dialog.showModal();
    this.asking = new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        this.asking = null;
        this.problem("");
        resolve(this.value !== null);
      }, { once: true });
    });
    return this.asking;
  },

  take(event) {
    event.preventDefault();
    const text = byId("token").value.trim();
    // A field of a request holds no more than these (RFC 6750 §2.1).
    if (!/^[\x21-\x7e]+$/.test(text)) return this.problem("A token is made of printable ASCII characters.");
    this.value = text;
    byId("token-dialog").close();
  },

  begin() {
    byId("token-form").addEventListener("submit", (event) => this.take(event));
    byId("token-cancel").addEventListener("click", () => byId("token-dialog").close());
    byId("token-button").addEventListener("click", async () => {
      if (this.value !== null) this.value = null;
      else if (await this.ask()) await this.check();
    });
    if (this.value !== null) put(byId("token-button"), "Forget the token");
  },

  // Whether the server takes it, asked before an order does.
  async check() {
    while (this.value !== null) {
      const answer = await ask("live/-/ends", { headers: this.fields });
      if (answer.status !== 401) return;
      this.refused();
      if (!await this.ask()) return;
    }
  },
};

// An order that changes something. Gives whether it was carried out; says why not.
async function order(what, method, path, body) {
  try {
    for (;;) {
      if (token.value === null && !await token.ask()) {
        say("Not done without a token: " + what + ".");
        return false;
      }
      const headers = token.fields;
      if (body !== undefined) headers["Content-Type"] = "application/json";
      const answer = await ask(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      if (answer.status === 401) {
        token.refused();
        continue;
      }
      if (!answer.ok) throw new Error(await reasonOf(answer));
      say("Done: " + what + ".");
      return true;
    }
  } catch (error) {
    say("Not done: " + what + ": " + error.message);
    return false;
  } finally {
    refresh.soon();
  }
}
