import prettier from 'eslint-config-prettier/flat';
import tseslint from 'typescript-eslint';

const NODE_GLOBALS = [
  'process',
  'console',
  'Buffer',
  'URL',
  'fetch',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'performance',
  'AbortSignal',
];

/** What an ordinary file name never says (see the names in docs/adding-an-endpoint.md). */
const EMPTY_WORDS = /^(utils?|helpers?|misc|constants?|types?|base|managers?|index)$/;

/** Rules of this house that no published plugin has. */
const house = {
  rules: {
    'file-name': {
      meta: {
        type: 'problem',
        schema: [],
        messages: {
          case: 'Name it in kebab-case.',
          empty: '"{{word}}" says nothing: name the file after what is in it.',
        },
      },
      create(context) {
        const [, name = ''] = /[/\\]\.?([^/\\]+)\.[cm]?[jt]s$/.exec(context.filename) ?? [];
        const words = name.replace(/\.d$/, '').split('.');
        return {
          Program(node) {
            if (!words.every((word) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(word)))
              context.report({ node, messageId: 'case' });
            const word = words.find((candidate) => EMPTY_WORDS.test(candidate));
            if (word !== undefined) context.report({ node, messageId: 'empty', data: { word } });
          },
        };
      },
    },
    'no-type-only-injection': {
      meta: {
        type: 'problem',
        schema: [],
        messages: {
          erased:
            '"{{name}}" is imported as a type: nothing is left of it at run time, and Nest could not inject or validate it.',
        },
      },
      create(context) {
        const erased = new Set();
        const check = (parameter) => {
          const target = parameter.type === 'TSParameterProperty' ? parameter.parameter : parameter;
          const annotation = (target.left ?? target).typeAnnotation?.typeAnnotation;
          const name = annotation?.type === 'TSTypeReference' ? annotation.typeName.name : undefined;
          if (erased.has(name)) context.report({ node: annotation, messageId: 'erased', data: { name } });
        };
        const decoratorsOf = (node) =>
          (node.decorators ?? []).map(({ expression }) => expression.callee?.name ?? expression.name);
        return {
          ImportDeclaration(node) {
            for (const specifier of node.specifiers) {
              if (node.importKind === 'type' || specifier.importKind === 'type') erased.add(specifier.local.name);
            }
          },
          // Nest resolves constructor parameters by their class, unless @Inject names a token.
          'ClassDeclaration[decorators.length>0] MethodDefinition[kind="constructor"]'(node) {
            for (const parameter of node.value.params)
              if (!decoratorsOf(parameter).some((name) => /^Inject/.test(name))) check(parameter);
          },
          // The request pipe validates a body or a query by its class.
          'MethodDefinition[kind="method"]'(node) {
            for (const parameter of node.value.params)
              if (decoratorsOf(parameter).some((name) => /^(Body|Query)$/.test(name))) check(parameter);
          },
        };
      },
    },
  },
};

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'data/',
      'coverage/',
      'node_modules/',
      'openapi/',
      'bench/peers/',
      'test/clients/stories/generated/',
    ],
  },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' },
    plugins: { house },
    rules: {
      'house/file-name': 'error',
      'max-lines': ['error', 350],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-constant-binary-expression': 'error',
      'no-control-regex': 'error',
      'no-duplicate-case': 'error',
      'no-empty': 'error',
      'no-empty-character-class': 'error',
      'no-else-return': 'error',
      'no-eval': 'error',
      'no-fallthrough': 'error',
      'no-irregular-whitespace': 'error',
      'no-lonely-if': 'error',
      'no-loss-of-precision': 'error',
      'no-misleading-character-class': 'error',
      'no-new-wrappers': 'error',
      'no-param-reassign': 'error',
      'no-self-assign': 'error',
      'no-self-compare': 'error',
      'no-sparse-arrays': 'error',
      'no-unneeded-ternary': 'error',
      'no-unreachable-loop': 'error',
      'no-unsafe-finally': 'error',
      'no-useless-backreference': 'error',
      'no-useless-catch': 'error',
      'no-useless-concat': 'error',
      'no-useless-escape': 'error',
      'no-useless-rename': 'error',
      'no-useless-return': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': ['error', { ignoreReadBeforeAssign: true }],
      'preserve-caught-error': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      'house/no-type-only-injection': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // Files with decorators are left alone by this rule, because emitDecoratorMetadata needs classes as values; there
      // house/no-type-only-injection watches the other direction.
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/consistent-type-definitions': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-shadow': 'error',
      '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-unnecessary-type-arguments': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true, number: true } }],
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/unbound-method': ['error', { ignoreStatic: true }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'max-lines': ['error', 500],
      '@typescript-eslint/no-non-null-assertion': 'off', // what is not there fails the test as it should
      '@typescript-eslint/no-shadow': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off', // an afterAll must cope with a beforeAll that failed
      '@typescript-eslint/no-unsafe-assignment': 'off', // matchers such as expect.any() are of type any
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: { globals: Object.fromEntries([...NODE_GLOBALS, 'module'].map((name) => [name, 'readonly'])) },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error' },
  },
  { files: ['scripts/**', '.ci/**', 'bench/**', 'docs/clients/**'], rules: { 'no-console': 'off' } },
  prettier,
);
