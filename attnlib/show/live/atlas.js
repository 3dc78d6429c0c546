// The atlas as a picture of its own.
import { allHeads } from "./allheads.js";

export default { render: (view) => allHeads(view) };
