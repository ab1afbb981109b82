// The entry: everything here only makes faster what the pages can do without it.
import "./dialogs.js";
import "./forms.js";
import "./graphs.js";
import "./refresh.js";
import "./shortcuts.js";
import "./themes.js";
import "./times.js";
