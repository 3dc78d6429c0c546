import js from "@eslint/js";
import globals from "globals";

const unsafe = (object, property) => ({ object, property, message: "tokens are set as text" });

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "prefer-const": "error",
      "no-var": "error",
      "no-shadow": ["error", { builtinGlobals: false }],
      "no-unused-vars": ["error", { args: "after-used" }],
      "max-len": ["error", { code: 140, ignoreStrings: true, ignoreTemplateLiterals: true }],
      "max-lines-per-function": ["error", { max: 120, skipComments: true, skipBlankLines: true }],
      "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((one) => unsafe(undefined, one))],
      "no-eval": "error",
      "no-new-func": "error",
    },
  },
];
