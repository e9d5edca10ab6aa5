import { type Client, Code } from "@connectrpc/connect";
import { type AppError, localError, toAppError } from "../../api/errors";
import { type IngestResult, type IngestService, IngestState } from "../../gen/lookalike/gateway/v1/ingest_pb";
import { batches } from "./batches";
import { bytesOf, type Draft, usablePhotos } from "./drafts";
import { failureOfCall, failureOfImage, failureOfProduct } from "./outcome";

/** Told whenever a product has come a step further. */
export type Report = (draft: Draft) => void;

/**
 * Sends products, batch after batch, and reports each one's outcome as soon as it is durable.
 * Returns the error that ended it early, if one did: what was on its way is reported as refused,
 * and what had not begun, or was called off, as drafts again.
 */
export async function sendAll(
  client: Pick<Client<typeof IngestService>, "ingestBatch">,
  chosen: readonly Draft[],
  signal: AbortSignal,
  report: Report,
): Promise<AppError | undefined> {
  const unfinished = new Map(chosen.map((draft) => [draft.id, draft]));
  for (const draft of chosen) report({ ...draft, progress: { at: "waiting" } });
  for (const batch of batches(chosen, bytesOf)) {
    for (const draft of batch) report({ ...draft, progress: { at: "sending" } });
    try {
      const products = await Promise.all(batch.map(messageOf));
      for await (const { result } of client.ingestBatch({ products }, { signal })) {
        const draft = result && batch[Number(result.sequence) - 1];
        if (!draft) continue;
        unfinished.delete(draft.id);
        report(withResult(draft, result));
      }
      // Without an outcome a product would be on its way for ever.
      if (batch.some(({ id }) => unfinished.has(id))) throw localError("UNKNOWN");
    } catch (thrown) {
      const error = toAppError(thrown);
      const calledOff = signal.aborted || error.code === Code.PermissionDenied;
      for (const draft of unfinished.values()) {
        const lost = batch.includes(draft) && !calledOff;
        report({
          ...draft,
          progress: lost ? { at: "refused", failure: failureOfCall(error) } : { at: "draft" },
        });
      }
      return signal.aborted ? undefined : error;
    }
  }
  return undefined;
}

/** A draft with what became of it. */
export function withResult(draft: Draft, result: IngestResult): Draft {
  const sent = usablePhotos(draft);
  const failures = new Map(result.imageFailures.map((failure) => [sent[failure.imageIndex]?.key, failure]));
  const photos = draft.photos.map((photo) => {
    const failure = failures.get(photo.key);
    return { ...photo, failure: failure && failureOfImage(failure) };
  });
  if (result.state === IngestState.REFUSED) {
    const failure = failureOfProduct(result.status, result.imageFailures);
    return { ...draft, photos, progress: { at: "refused", failure } };
  }
  const unchanged = result.state === IngestState.UNCHANGED && !draft.added;
  return { ...draft, photos, added: !unchanged, progress: { at: "stored", unchanged } };
}

async function messageOf(draft: Draft) {
  const { name, category, colour } = draft;
  return {
    productId: draft.productId.trim(),
    name: name.trim(),
    attributes: Object.fromEntries(
      Object.entries({ category, colour })
        .map(([key, value]) => [key, value.trim()] as const)
        .filter(([, value]) => value !== ""),
    ),
    images: await Promise.all(usablePhotos(draft).map(({ file }) => imageOf(file))),
  };
}

/** A file that cannot be read any more is told to the server, so that its outcome is complete. */
async function imageOf(file: File) {
  try {
    const value = new Uint8Array(await file.arrayBuffer());
    return { label: file.name, source: { case: "data", value } as const };
  } catch (error) {
    return { label: file.name, source: { case: "unreadableReason", value: String(error) } as const };
  }
}
