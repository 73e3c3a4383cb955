"use strict";
// A film of what is on the screen: both worlds side by side, as MP4 where the browser can, else as WebM.
globalThis.Reverie ??= {};

const KINDS = ["video/mp4;codecs=avc1.42E01E", "video/mp4", "video/webm;codecs=vp9", "video/webm"];
const SIDE = 480, FOOT = 44, RATE = 30;

Reverie.Film = class {
  // `pictures` are [{canvas, name, tone}]; `caption()` is drawn below them. Null where the browser cannot.
  static begin(pictures, caption) {
    const kind = globalThis.MediaRecorder && KINDS.find((one) => MediaRecorder.isTypeSupported(one));
    return kind ? new Reverie.Film(pictures, caption, kind) : null;
  }

  constructor(pictures, caption, kind) {
    this.pictures = pictures;
    this.caption = caption;
    this.canvas = document.createElement("canvas");
    this.canvas.width = SIDE * pictures.length;
    this.canvas.height = SIDE + FOOT;
    this.draw();
    this.recorder = new MediaRecorder(this.canvas.captureStream(RATE), { mimeType: kind, videoBitsPerSecond: 4e6 });
    this.parts = [];
    this.recorder.ondataavailable = (event) => this.parts.push(event.data);
    this.recorder.start(500);
  }

  // To be called for every picture that is shown.
  draw() {
    const pen = this.canvas.getContext("2d", { alpha: false });
    pen.fillStyle = "#0e0f14";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    pen.imageSmoothingQuality = "high";
    pen.font = "600 17px system-ui, sans-serif";
    this.pictures.forEach(({ canvas, name, tone }, i) => {
      pen.drawImage(canvas, i * SIDE, 0, SIDE, SIDE);
      pen.fillStyle = tone;
      pen.fillText(name, i * SIDE + 14, SIDE + 28);
    });
    pen.fillStyle = "#eeebe4";
    pen.textAlign = "right";
    pen.fillText(this.caption(), this.canvas.width - 14, SIDE + 28);
    pen.textAlign = "left";
  }

  // Ends it and hands the file to the person; resolves to {type, size}.
  end(name) {
    return new Promise((done) => {
      this.recorder.onstop = () => {
        const type = this.recorder.mimeType.split(";")[0], blob = new Blob(this.parts, { type });
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = `${name}.${type.endsWith("mp4") ? "mp4" : "webm"}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
        done({ type, size: blob.size });
      };
      this.recorder.stop();
    });
  }
};
