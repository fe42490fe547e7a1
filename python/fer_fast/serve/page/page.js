"use strict";

const COLOURS = ["#e6550d", "#3182bd", "#31a354", "#756bb1", "#d6a100", "#c51b8a"];
const SVG = "http://www.w3.org/2000/svg";
const FRAME_SIDE = 640;

const $ = (id) => document.getElementById(id);
let model = null;
let shown = null;
let asked = 0;
let camera = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function colour(position) {
  return COLOURS[position % COLOURS.length];
}

function say(text) {
  $("status").textContent = text;
}

function complain(message, hint) {
  $("error").textContent = `${message[0].toUpperCase()}${message.slice(1)}: ${hint}.`;
  $("error").hidden = false;
  say("");
}

/** Send a picture; return the answer, or throw an error with a message and a hint. */
async function predict(blob) {
  const response = await fetch("/v1/predict?crops=1", {
    method: "POST",
    headers: { "Content-Type": blob.type.startsWith("image/") ? blob.type : "application/octet-stream" },
    body: blob,
  }).catch(() => {
    throw { message: "the server does not answer", hint: "check that fer-fast serve still runs" };
  });
  const answer = await response.json();
  if (!response.ok) throw answer;
  return answer;
}

async function lookAt(blob) {
  stopCamera();
  const number = ++asked;
  $("error").hidden = true;
  $("result").hidden = true;
  const limit = model && model.limits.body_bytes;
  if (limit && blob.size > limit) {
    complain(
      `the picture has ${(blob.size / 2 ** 20).toFixed(1)} MiB and at most ${limit / 2 ** 20} are taken`,
      "shrink it, or save it as JPEG");
    return;
  }
  say("Looking …");
  try {
    const answer = await predict(blob);
    if (number !== asked) return;
    if (shown) URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(blob);
    $("picture").src = shown;
    $("picture").hidden = false;
    $("video").hidden = true;
    show(answer);
  } catch (error) {
    if (number === asked) complain(error.message, error.hint);
  }
}

function show(answer) {
  const boxes = $("boxes");
  boxes.setAttribute("viewBox", `0 0 ${answer.width} ${answer.height}`);
  boxes.setAttribute("preserveAspectRatio", "none");
  boxes.replaceChildren(...answer.faces.map(box));
  $("faces").replaceChildren(...answer.faces.map(card));
  $("result").hidden = false;
  const n = answer.faces.length;
  say(n === 0 ? "No face was found." : n === 1 ? `One face: ${answer.faces[0].label}.` : `${n} faces.`);
}

function box(face, position) {
  const rect = document.createElementNS(SVG, "rect");
  const { left, top, width, height } = face.box;
  for (const [key, value] of Object.entries({ x: left, y: top, width, height })) {
    rect.setAttribute(key, value);
  }
  rect.style.setProperty("--colour", colour(position));
  return rect;
}

function card(face, position) {
  const bars = element("dl", { class: "bars" });
  for (const [name, probability] of Object.entries(face.probabilities)) {
    const bar = element("span");
    bar.style.width = `${100 * probability}%`;
    bars.append(
      element("dt", {}, name),
      element("dd", { class: "bar", "aria-hidden": "true" }, bar),
      element("dd", { class: "percent" }, `${Math.round(100 * probability)}%`));
  }
  const sure = face.margin < 0.15 ? " (not sure)" : "";
  const made = element("li", { tabindex: "0" },
    element("img", { src: `data:image/png;base64,${face.crop}`, alt: "What the model saw" }),
    element("div", {}, element("h2", {}, `${position + 1}. ${face.label}${sure}`), bars));
  made.style.setProperty("--colour", colour(position));
  const choose = (chosen) => () => $("boxes").children[position]?.classList.toggle("chosen", chosen);
  for (const event of ["focus", "mouseenter"]) made.addEventListener(event, choose(true));
  for (const event of ["blur", "mouseleave"]) made.addEventListener(event, choose(false));
  return made;
}

async function startCamera() {
  $("error").hidden = true;
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch (error) {
    complain("the webcam cannot be opened", "allow it in the browser, and close what else uses it");
    return;
  }
  camera = stream;
  asked++;
  $("webcam").textContent = "Close the webcam";
  $("webcam").setAttribute("aria-pressed", "true");
  $("video").srcObject = stream;
  await $("video").play();
  $("picture").hidden = true;
  $("video").hidden = false;
  follow(stream);
}

/** Send frame after frame, each once the one before is answered. */
async function follow(stream) {
  const canvas = document.createElement("canvas");
  const video = $("video");
  while (camera === stream) {
    const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    try {
      const answer = await predict(blob);
      if (camera === stream) show(answer);
    } catch (error) {
      if (camera !== stream) return;
      stopCamera();
      complain(error.message, error.hint);
    }
  }
}

function stopCamera() {
  if (!camera) return;
  for (const track of camera.getTracks()) track.stop();
  camera = null;
  $("webcam").textContent = "Open the webcam";
  $("webcam").setAttribute("aria-pressed", "false");
  $("video").srcObject = null;
  $("result").hidden = true;
  say("");
}

function describe(about) {
  model = about;
  const own = about.scores.own_labels || {};
  const scores = [about.scores, own]
    .filter((block) => block.test_deduplicated && block.data)
    .map((block) => `accuracy ${block.test_deduplicated.accuracy.toFixed(3)} on ${block.data}`)
    .join(", ");
  const parts = [`Model ${about.run_id || about.digest.slice(0, 12)}`, about.labels.join(", ")];
  if (scores) parts.push(scores + (about.scores.protocol ? ` (${about.scores.protocol})` : ""));
  $("model").textContent = parts.join(" · ");
}

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) lookAt(file);
  // So that the same file may be chosen again.
  event.target.value = "";
});

$("webcam").addEventListener("click", () => (camera ? stopCamera() : startCamera()));

for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) lookAt(file);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) lookAt(file);
});

fetch("/v1/model").then((response) => response.json()).then(describe).catch(() => {});
