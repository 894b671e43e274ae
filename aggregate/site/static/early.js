// Before the first paint: without this class the page is its own no-script version.
document.documentElement.classList.add("js");
