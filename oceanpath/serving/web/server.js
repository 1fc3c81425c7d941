// Requests to the server, with the key of the user if it needs one.

let key = "";

/** The key of all further requests; it is kept in the memory of this page only. */
export const useKey = (text) => { key = text; };

/** The headers of the key. */
export const keyHeaders = () => (key ? { "X-API-Key": key } : {});

/** A response. Throws an Error with the server's message, and its status. */
async function request(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...options.headers, ...keyHeaders() } });
  if (!response.ok) throw Object.assign(new Error((await response.json()).error.message), { status: response.status });
  return response;
}

/** The content of a JSON response. */
export const ask = async (path, options) => (await request(path, options)).json();

/** The address of a picture, for an image element; it is valid until it is revoked. */
export const pictureOf = async (path) => URL.createObjectURL(await (await request(path)).blob());

/** The beginning of the addresses of a model that the server lists. */
export const addressOf = ({ name, version }) => `models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;

/** The whole file if it may contain features, otherwise only its beginning, from which the server identifies the format. */
async function bodyOf(file) {
  const start = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const text = String.fromCharCode(...start);
  const accepted = text.startsWith("\x89HDF") || text.startsWith("\x93NUMPY") || text.trimStart().startsWith("{");
  return accepted ? file : file.slice(0, 4096);
}

export const slideOf = (name) => name.replace(/\.(h5|hdf5|npy|json)$/i, "");

/** The prediction of the model at an address for a file, or for a slide of the server's folder. */
export async function predictionOf(address, source) {
  const [type, body, id] = source instanceof File
    ? ["application/octet-stream", await bodyOf(source), `&slide_id=${encodeURIComponent(slideOf(source.name))}`]
    : ["application/json", JSON.stringify({ slide_id: source.name }), ""];
  return ask(`${address}/predict?attention=1&members=1&contributions=1${id}`, { method: "POST", body, headers: { "Content-Type": type } });
}
