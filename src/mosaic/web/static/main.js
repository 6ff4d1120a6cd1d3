// The page works without any of this; with it, it is live and listens to keys.

import "./keys.js";
import "./live.js";
import "./writing.js";
