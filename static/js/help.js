// Knows that the page for guests has colours, too, and stays with them.

import { keepShell } from "./shell.js";
import { showTheme } from "./theme.js";

showTheme(sessionStorage.getItem("chatsite.theme"));
keepShell();
