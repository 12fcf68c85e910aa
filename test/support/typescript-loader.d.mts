export declare function importTypeScript(path: string): Promise<unknown>;
