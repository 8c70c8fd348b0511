/* The player of HTML exports: a small terminal, and the controls around it.
 *
 * It gets sanitised output only (see recorder/sanitise.py), so it knows that language and nothing else; whatever else
 * comes is left out. It makes no requests and builds no markup from text: cells become text nodes.
 */
"use strict";

const BLANK = [" ", ""];
const DRAWING = { "`": "◆", a: "▒", j: "┘", k: "┐", l: "┌", m: "└", n: "┼", q: "─", t: "├", u: "┤", v: "┴", w: "┬", x: "│", "~": "·" };
const TOKEN = /\x1b\[([?0-9;:]*)( ?[@-~])|\x1b([()*+#].|.)|([\x00-\x1f])|([^\x00-\x1f]+)/gsu;
const WIDE = /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;
const MARK = /\p{M}|[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f]/u;
const MARKS_MAX = 16;

class Terminal {
  constructor(columns, rows) {
    this.columns = columns;
    this.height = rows;
    this.main = this.blankScreen();
    this.rows = this.main;
    this.saved = {};
    this.style = "";
    this.x = this.y = 0;
    this.top = 0;
    this.bottom = rows - 1;
    this.wrapping = true;
    this.origin = this.inserting = this.drawing = this.edge = this.newline = false;
    this.cursorShown = true;
  }

  blankScreen() {
    return Array.from({ length: this.height }, () => this.blankRow());
  }

  blankRow() {
    return new Array(this.columns).fill(BLANK);
  }

  /* Lines as text, for stills and tests. */
  text() {
    return this.rows.map((row) => row.map((cell) => cell[0]).join("").trimEnd());
  }

  resize(columns, rows) {
    const shown = this.rows;
    for (const screen of new Set([this.main, shown])) {
      const above = screen === shown ? Math.max(this.y - rows + 1, 0) : 0;  // rows that leave at the top
      screen.splice(0, above);
      screen.splice(rows);
      while (screen.length < rows) screen.push(this.blankRow());
      if (screen === shown) this.y -= above;
      for (const row of screen) {
        while (row.length < columns) row.push(BLANK);
        row.length = columns;
      }
    }
    this.columns = columns;
    this.height = rows;
    this.top = 0;
    this.bottom = rows - 1;
    this.move(this.x, this.y);
  }

  move(x, y) {
    this.x = Math.max(0, Math.min(x, this.columns - 1));
    this.y = Math.max(0, Math.min(y, this.height - 1));
    this.edge = false;
  }

  write(text) {
    for (const [, numbers, final, escape, control, plain] of text.matchAll(TOKEN)) {
      if (plain !== undefined) this.print(plain);
      else if (control !== undefined) this.control(control);
      else if (escape !== undefined) this.escape(escape);
      else this.sequence(numbers, final);
    }
  }

  print(text) {
    for (let char of text) {
      if (MARK.test(char)) {
        const x = this.edge ? this.x : Math.max(this.x - 1, 0);
        const cell = this.rows[this.y][x];
        if (cell[0].length < MARKS_MAX) this.rows[this.y][x] = [cell[0] + char, cell[1]];
        continue;
      }
      if (this.drawing) char = DRAWING[char] || char;
      const width = this.columns > 1 && WIDE.test(char) ? 2 : 1;
      if (this.wrapping && (this.edge || this.x + width > this.columns)) {
        this.x = 0;
        this.index();
      }
      this.x = Math.min(this.x, this.columns - width);
      const row = this.rows[this.y];
      if (this.inserting) {
        row.splice(this.x, 0, ...new Array(width).fill(BLANK));
        row.length = this.columns;
      }
      row[this.x] = [char, this.style];
      if (width === 2) row[this.x + 1] = ["", this.style];
      this.edge = this.x + width >= this.columns;
      this.x = Math.min(this.x + width, this.columns - 1);
    }
  }

  control(char) {
    switch (char) {
      case "\r": this.x = 0; break;
      case "\b": this.x = Math.max(this.x - 1, 0); break;
      case "\t": this.x = Math.min((Math.floor(this.x / 8) + 1) * 8, this.columns - 1); break;
      case "\n": case "\v": case "\f":
        this.index();
        if (this.newline) this.x = 0;
        break;
      default: return;
    }
    this.edge = false;
  }

  escape(sequence) {
    switch (sequence) {
      case "7": this.save(); break;
      case "8": this.restore(); break;
      case "D": this.index(); break;
      case "E": this.x = 0; this.index(); break;
      case "M": this.reverseIndex(); break;
      case "(0": this.drawing = true; break;
      case "(A": case "(B": this.drawing = false; break;
      case "#8": for (const row of this.rows) row.fill(["E", ""]); this.move(0, 0); break;
    }
  }

  save() {
    const { x, y, style, drawing, origin } = this;
    this.saved[this.rows === this.main] = { x, y, style, drawing, origin };
  }

  restore() {
    const saved = this.saved[this.rows === this.main] || { x: 0, y: 0, style: "", drawing: false, origin: false };
    this.style = saved.style;
    this.drawing = saved.drawing;
    this.origin = saved.origin;
    this.move(saved.x, saved.y);
  }

  index() {
    this.edge = false;
    if (this.y === this.bottom) this.scroll(1, this.top);
    else this.y = Math.min(this.y + 1, this.height - 1);
  }

  reverseIndex() {
    this.edge = false;
    if (this.y === this.top) this.scroll(-1, this.top);
    else this.y = Math.max(this.y - 1, 0);
  }

  /* Move the rows from `first` to the bottom margin up by `count`, or down where it is negative. */
  scroll(count, first) {
    const size = Math.min(Math.abs(count), this.bottom - first + 1);
    for (let done = 0; done < size; done++) {
      this.rows.splice(count > 0 ? first : this.bottom, 1);
      this.rows.splice(count > 0 ? this.bottom : first, 0, this.erasedRow());
    }
  }

  erased() {
    const background = this.style.split(" ").find((part) => part.startsWith("b:"));
    return background ? [" ", background] : BLANK;
  }

  erasedRow() {
    return new Array(this.columns).fill(this.erased());
  }

  erase(row, from, to) {
    this.rows[row].fill(this.erased(), Math.max(from, 0), Math.min(to, this.columns));
  }

  sequence(text, final) {
    const isPrivate = text.startsWith("?");
    const numbers = (isPrivate ? text.slice(1) : text).split(";");
    const first = parseInt(numbers[0], 10) || 0;
    const count = Math.max(first, 1);
    const row = this.rows[this.y];
    const inside = this.y >= this.top && this.y <= this.bottom;
    switch (final) {
      case "m": this.colour(numbers); return;
      case "h": case "l": this.mode(isPrivate, numbers, final === "h"); return;
      case "A": this.move(this.x, Math.max(this.y - count, this.y >= this.top ? this.top : 0)); break;
      case "B": case "e": this.move(this.x, Math.min(this.y + count, this.y <= this.bottom ? this.bottom : this.height - 1)); break;
      case "C": case "a": this.move(this.x + count, this.y); break;
      case "D": this.move(this.x - count, this.y); break;
      case "E": this.move(0, Math.min(this.y + count, this.y <= this.bottom ? this.bottom : this.height - 1)); break;
      case "F": this.move(0, Math.max(this.y - count, this.y >= this.top ? this.top : 0)); break;
      case "G": case "`": this.move(count - 1, this.y); break;
      case "d": this.move(this.x, this.lineOf(count)); break;
      case "H": case "f": this.move((parseInt(numbers[1], 10) || 1) - 1, this.lineOf(count)); break;
      case "I": this.move((Math.floor(this.x / 8) + count) * 8, this.y); break;
      case "Z": this.move((Math.ceil(this.x / 8) - count) * 8, this.y); break;
      case "J": this.eraseScreen(first); break;
      case "K": this.erase(this.y, first === 0 ? this.x : 0, first === 1 ? this.x + 1 : this.columns); break;
      case "X": this.erase(this.y, this.x, this.x + count); break;
      case "@": row.splice(this.x, 0, ...new Array(Math.min(count, this.columns)).fill(this.erased())); row.length = this.columns; break;
      case "P": {
        const removed = Math.min(count, this.columns - this.x);
        row.splice(this.x, removed);
        row.push(...new Array(removed).fill(this.erased()));
        break;
      }
      case "L": case "M":
        if (inside) {
          this.scroll(final === "M" ? count : -count, this.y);
          this.x = 0;
        }
        break;
      case "S": this.scroll(count, this.top); break;
      case "T": this.scroll(-count, this.top); break;
      case "b": if (this.x > 0 || this.edge) this.print(row[this.edge ? this.x : this.x - 1][0].repeat(Math.min(count, this.columns))); return;
      case "r": {
        const bottom = Math.min(parseInt(numbers[1], 10) || this.height, this.height) - 1;
        if (count - 1 < bottom) {
          this.top = count - 1;
          this.bottom = bottom;
          this.move(0, this.lineOf(1));
        }
        break;
      }
      case "s": this.save(); break;
      case "u": this.restore(); break;
    }
    this.edge = false;
  }

  lineOf(number) {
    return this.origin ? Math.min(this.top + number - 1, this.bottom) : number - 1;
  }

  eraseScreen(how) {
    if (how !== 2) this.erase(this.y, how === 0 ? this.x : 0, how === 1 ? this.x + 1 : this.columns);
    const [from, to] = how === 0 ? [this.y + 1, this.height] : how === 1 ? [0, this.y] : [0, this.height];
    for (let row = from; row < to; row++) this.erase(row, 0, this.columns);
  }

  mode(isPrivate, numbers, on) {
    for (const number of numbers) {
      switch ((isPrivate ? "?" : "") + number) {
        case "4": this.inserting = on; break;
        case "20": this.newline = on; break;
        case "?6": this.origin = on; this.move(0, this.lineOf(1)); break;
        case "?7": this.wrapping = on; break;
        case "?25": this.cursorShown = on; break;
        case "?1048": on ? this.save() : this.restore(); break;
        case "?47": case "?1047": this.switchScreen(on); break;
        case "?1049":
          if (on && this.rows === this.main) this.save();
          this.switchScreen(on);
          if (!on) this.restore();
          break;
      }
    }
  }

  switchScreen(alternate) {
    if (alternate === (this.rows !== this.main)) return;
    this.rows = alternate ? this.blankScreen() : this.main;
  }

  /* Styles are short texts such as "bold f:1 b:#112233", so that equal ones can be told by comparison. */
  colour(numbers) {
    const parts = new Map(this.style.split(" ").filter(Boolean).map((part) => [part.includes(":") ? part[0] : part, part]));
    const flags = { 1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "reverse", 8: "hidden", 9: "strike" };
    const offs = { 22: ["bold", "faint"], 23: ["italic"], 24: ["underline"], 27: ["reverse"], 28: ["hidden"], 29: ["strike"], 39: ["f"], 49: ["b"] };
    const queue = numbers.slice();
    while (queue.length) {
      const group = queue.shift().split(":");
      const number = parseInt(group[0], 10) || 0;
      if (number === 0) parts.clear();
      else if (number === 4 && group[1] === "0") parts.delete("underline");
      else if (flags[number]) parts.set(flags[number], flags[number]);
      else if (offs[number]) offs[number].forEach((part) => parts.delete(part));
      else if (number === 38 || number === 48 || number === 58) {
        const colon = group.length > 1;
        const kind = colon ? group[1] : queue.shift();
        const given = colon ? group.slice(kind === "2" ? -3 : 2) : queue.splice(0, kind === "2" ? 3 : 1);
        const values = given.map((value) => Math.min(parseInt(value, 10) || 0, 255));
        const key = number === 38 ? "f" : "b";
        if (number === 58) continue;
        if (kind === "5" && values.length === 1) parts.set(key, key + ":" + values[0]);
        else if (kind === "2" && values.length === 3) parts.set(key, key + ":#" + values.map((value) => value.toString(16).padStart(2, "0")).join(""));
      } else if ((number >= 30 && number < 38) || (number >= 40 && number < 48)) {
        const key = number < 40 ? "f" : "b";
        parts.set(key, key + ":" + (number % 10));
      } else if ((number >= 90 && number < 98) || (number >= 100 && number < 108)) {
        const key = number < 100 ? "f" : "b";
        parts.set(key, key + ":" + (8 + (number % 10)));
      }
    }
    this.style = Array.from(parts.values()).join(" ");
  }
}

/* Plays events on a terminal: [time, text], or [time, columns, rows] for a new size. */
class Replay {
  constructor(columns, rows, events) {
    this.size = [columns, rows];
    this.events = events;
    this.duration = events.length ? events[events.length - 1][0] : 0;
    this.restart();
  }

  restart() {
    this.terminal = new Terminal(...this.size);
    this.next = 0;
    this.time = 0;
  }

  /* Show the moment `time`, by playing on or from the start again. */
  seek(time) {
    if (time < this.time) this.restart();
    this.time = Math.min(time, this.duration);
    for (; this.next < this.events.length && this.events[this.next][0] <= this.time; this.next++) {
      const event = this.events[this.next];
      if (event.length === 3) this.terminal.resize(event[1], event[2]);
      else this.terminal.write(event[1]);
    }
  }
}

const COLOURS = ["#000000", "#cc3333", "#33aa33", "#bb9900", "#4477dd", "#aa44aa", "#22a0a0", "#cccccc",
  "#777777", "#ff6666", "#66dd66", "#eedd44", "#77aaff", "#dd77dd", "#55dddd", "#ffffff"];

function colourOf(code) {
  if (code.startsWith("#")) return code;
  const number = parseInt(code, 10);
  if (number < 16) return COLOURS[number];
  if (number >= 232) return `rgb(${Array(3).fill(8 + (number - 232) * 10).join(",")})`;
  const levels = [0, 95, 135, 175, 215, 255];
  const cube = number - 16;
  return `rgb(${levels[Math.floor(cube / 36)]},${levels[Math.floor(cube / 6) % 6]},${levels[cube % 6]})`;
}

function applyStyle(span, style, cursor) {
  const parts = style.split(" ").filter(Boolean);
  const has = (name) => parts.includes(name);
  const pick = (key) => parts.filter((part) => part.startsWith(key + ":")).map((part) => colourOf(part.slice(2)))[0];
  let [front, back] = [pick("f"), pick("b")];
  if (has("reverse") !== cursor) [front, back] = [back || "#111111", front || "#dddddd"];
  if (front) span.style.color = front;
  if (back) span.style.backgroundColor = back;
  if (has("bold")) span.style.fontWeight = "bold";
  if (has("faint")) span.style.opacity = "0.6";
  if (has("italic")) span.style.fontStyle = "italic";
  if (has("underline")) span.style.textDecoration = "underline";
  if (has("strike")) span.style.textDecoration = "line-through";
}

function draw(terminal, element) {
  const spans = [];
  terminal.rows.forEach((row, y) => {
    let last = null;
    row.forEach(([char, style], x) => {
      const cursor = terminal.cursorShown && y === terminal.y && x === terminal.x;
      if (style !== last || cursor) {
        spans.push(document.createElement("span"));
        applyStyle(spans[spans.length - 1], style, cursor);
      }
      last = cursor ? null : style;
      spans[spans.length - 1].append(char);
    });
    spans.push(document.createTextNode("\n"));
  });
  element.replaceChildren(...spans);
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function main() {
  const part = (id) => document.getElementById(id);
  const [[columns, rows], ...events] = JSON.parse(part("events").textContent);
  const replay = new Replay(columns, rows, events);
  const bar = part("bar");
  let playing = false;
  let before = 0;
  bar.max = String(replay.duration);

  function show() {
    draw(replay.terminal, part("screen"));
    bar.value = String(replay.time);
    part("time").textContent = `${clock(replay.time)} / ${clock(replay.duration)}`;
    part("play").textContent = playing ? "pause" : "play";
  }

  function frame(now) {
    if (!playing) return;
    replay.seek(replay.time + (Math.max(now - before, 0) / 1000) * Number(part("speed").value));
    before = now;
    playing = replay.time < replay.duration;
    show();
    requestAnimationFrame(frame);
  }

  function toggle() {
    playing = !playing;
    if (playing && replay.time >= replay.duration) replay.seek(0);
    before = performance.now();
    show();
    if (playing) requestAnimationFrame(frame);
  }

  function seek(time) {
    replay.seek(Math.max(time, 0));
    show();
  }

  part("play").addEventListener("click", toggle);
  bar.addEventListener("input", () => seek(Number(bar.value)));
  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body) return;
    if (event.key === " ") toggle();
    else if (event.key === "ArrowLeft") seek(replay.time - 5);
    else if (event.key === "ArrowRight") seek(replay.time + 5);
    else return;
    event.preventDefault();
  });
  replay.seek(0);
  show();
}

if (typeof document !== "undefined") main();
