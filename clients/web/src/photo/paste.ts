/** Whether what is pasted is meant as text: cells of a table come as a picture too, and in a field are not one. */
export function meansText(event: ClipboardEvent): boolean {
  const field = event.target instanceof HTMLElement && event.target.closest("input, textarea");
  return Boolean(field && event.clipboardData?.types.includes("text/plain"));
}
