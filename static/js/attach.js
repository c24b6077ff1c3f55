// Knows the ways on which a file comes to the composer: chosen, dropped, pasted, spoken; refuses to know where it goes.

import { sizeOf } from "./card.js";
import { byId } from "./dom.js";
import { t } from "./words.js";

const MAX_SECONDS = 300;
const MIN_MILLISECONDS = 500;

export class Attach {
  #most = Number(document.body.dataset.maxFile);
  #send;
  #tell;
  #recording = byId("recording", HTMLElement);
  #record = byId("record", HTMLButtonElement);
  /** @type {MediaRecorder | null} */
  #recorder = null;
  #ticking = 0;

  /**
   * @param {(files: File[]) => void} send
   * @param {(words: string) => void} tell
   */
  constructor(send, tell) {
    this.#send = send;
    this.#tell = tell;
    const [button, chosen] = [byId("attach", HTMLButtonElement), byId("file", HTMLInputElement)];
    button.hidden = !this.#most;
    this.#record.hidden = !this.#most || !("MediaRecorder" in globalThis);
    if (!this.#most) return;
    button.addEventListener("click", () => chosen.click());
    chosen.addEventListener("change", () => {
      this.#take([...(chosen.files ?? [])]);
      chosen.value = ""; // so that the same can be chosen again
    });
    const talk = byId("talk", HTMLElement);
    talk.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
    talk.addEventListener("drop", (event) => this.#receive(event, event.dataTransfer));
    byId("text", HTMLElement).addEventListener("paste", (event) => this.#receive(event, event.clipboardData));
    this.#record.addEventListener("click", () => (this.#recorder ? this.#recorder.stop() : this.#begin()));
    byId("record-cancel", HTMLElement).addEventListener("click", () => this.#end());
  }

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  #receive(event, data) {
    const files = [...(data?.files ?? [])];
    if (files.length === 0) return; // a text is the box's own
    event.preventDefault();
    this.#take(files);
  }

  /** @param {File[]} files */
  #take(files) {
    const large = files.find(({ size }) => size > this.#most);
    if (large) this.#tell(t("{name} is too large: at most {size}.", { name: large.name, size: sizeOf(this.#most) }));
    this.#send(files.filter(({ size }) => size <= this.#most));
  }

  async #begin() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
    if (!stream) return this.#tell(t("The browser does not allow this site to hear you."));
    if (this.#recorder) return stream.getTracks().forEach((track) => track.stop());
    const recorder = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const parts = [];
    const began = Date.now();
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", () => {
      stream.getTracks().forEach((track) => track.stop());
      if (this.#recorder !== recorder) return; // it was discarded
      this.#end();
      // Of a press too short for the microphone comes a head without sound, which nothing can play.
      if (Date.now() - began < MIN_MILLISECONDS) return this.#tell(t("Nothing was recorded."));
      const [type] = (parts[0].type || recorder.mimeType).split(";"); // some browsers say it of the one, some of both
      const name = `voice-${new Date().toTimeString().slice(0, 5).replace(":", "")}.${type.split("/")[1]}`;
      this.#take([new File(parts, name, { type })]);
    });
    this.#recorder = recorder;
    recorder.start();
    this.#show(began);
  }

  /** @param {number} began */
  #show(began) {
    const seconds = Math.floor((Date.now() - began) / 1000);
    byId("recorded", HTMLElement).textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    this.#recording.hidden = false;
    this.#record.setAttribute("aria-pressed", "true");
    if (seconds >= MAX_SECONDS) this.#recorder?.stop();
    this.#ticking = window.setTimeout(() => this.#show(began), 250);
  }

  /** What was recorded is sent already, or goes nowhere. */
  #end() {
    const recorder = this.#recorder;
    this.#recorder = null;
    clearTimeout(this.#ticking);
    if (recorder?.state === "recording") recorder.stop();
    this.#recording.hidden = true;
    this.#record.setAttribute("aria-pressed", "false");
  }
}
