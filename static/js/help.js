// Knows that the page for guests has colours, too.

import { showTheme } from "./theme.js";

showTheme(sessionStorage.getItem("chatsite.theme"));
