// Requests to the server, with the key of the user if it needs one.

let key = "";

/** The key of all further requests; it is kept in the memory of this page only. */
export const useKey = (text) => { key = text; };

/** The content of a JSON response. Throws an Error with the server's message, and its status. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(key && { "X-API-Key": key }) };
  const response = await fetch(path, { ...options, headers }), answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error.message), { status: response.status });
  return answer;
}

/** The whole file if it may contain features, otherwise only its beginning, from which the server identifies the format. */
async function bodyOf(file) {
  const start = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const text = String.fromCharCode(...start);
  const accepted = text.startsWith("\x89HDF") || text.startsWith("\x93NUMPY") || text.trimStart().startsWith("{");
  return accepted ? file : file.slice(0, 4096);
}

export const slideOf = (name) => name.replace(/\.(h5|hdf5|npy|json)$/i, "");

/** The prediction for a file, or for a slide of the server's folder. */
export async function predictionOf(source) {
  const [type, body, id] = source instanceof File
    ? ["application/octet-stream", await bodyOf(source), `&slide_id=${encodeURIComponent(slideOf(source.name))}`]
    : ["application/json", JSON.stringify({ slide_id: source.name }), ""];
  return ask(`predict?attention=1&members=1&contributions=1${id}`, { method: "POST", body, headers: { "Content-Type": type } });
}
