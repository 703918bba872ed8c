// Sends a file to Sluice with an upload token, and follows its job. docs/how-to/upload-from-a-browser.md explains it.

const TRIES = 5;

/** An answer that says what is wrong. `requestId` leads the operator to the log. */
export class Problem extends Error {
  constructor(sentence, response) {
    super(sentence);
    this.status = response.status;
    this.requestId = response.headers.get("X-Request-Id");
  }
}

export class Sluice {
  /** `url` is the API's address, without a slash at its end. */
  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  /** Send the file and return the path of its job. `report` is called with sentences for people. */
  async send(file, report) {
    const body = { filename: file.name, size: file.size };
    const { job_id: id, upload, links } = await this.#ask("POST", "/uploads", body);
    if (upload.part_count === undefined) {
      report(`Sending ${file.name}.`);
      await put(upload, file);
    } else {
      const signed = new Map(upload.parts.map((part) => [part.number, part]));
      for (let number = 1; number <= upload.part_count; number += 1) {
        report(`Sending ${file.name}, part ${number} of ${upload.part_count}.`);
        if (!signed.has(number)) {
          const { parts } = await this.#ask("POST", links.parts, { parts: [{ number }] });
          signed.set(number, parts[0]);
        }
        const begin = (number - 1) * upload.part_size;
        await put(signed.get(number), file.slice(begin, begin + upload.part_size));
      }
      await this.#ask("POST", links.complete);
    }
    return `/jobs/${id}`;
  }

  /** Return the job's document when it has ended. `report` is called with the documents before. */
  async follow(path, report) {
    for (;;) {
      const job = await this.#ask("GET", path);
      if (job.retry_after === null) {
        return job;
      }
      report(job);
      await seconds(job.retry_after);
    }
  }

  /** Return the first rejects of a job. */
  async rejects(job) {
    return (await this.#ask("GET", job.links.errors)).errors;
  }

  async #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.token}` };
    const options = { method, headers };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    const response = await request(this.url + path, options);
    if (!response.ok) {
      const problem = await response.json().catch(() => ({}));
      throw new Problem(problem.detail ?? "Sluice does not answer as it should.", response);
    }
    return response.json();
  }
}

/** Send bytes to where Sluice says. The URL carries all rights: the token stays out of it. */
async function put({ url, headers }, bytes) {
  const own = new Headers(headers);
  own.delete("Content-Length"); // the browser sets it
  const response = await request(url, { method: "PUT", headers: own, body: bytes });
  if (!response.ok) {
    throw new Problem("The file was not accepted.", response);
  }
}

/** Try again what may succeed later. */
async function request(url, options) {
  for (let tries = 1; ; tries += 1) {
    const last = tries === TRIES;
    try {
      const response = await fetch(url, options);
      if (last || (response.status !== 429 && response.status < 500)) {
        return response;
      }
      await seconds(Number(response.headers.get("Retry-After")) || tries);
    } catch (error) {
      // No answer. A POST may have been done all the same.
      if (last || options.method === "POST") {
        throw error;
      }
      await seconds(tries);
    }
  }
}

function seconds(number) {
  return new Promise((resolve) => setTimeout(resolve, number * 1000));
}
