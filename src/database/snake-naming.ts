import { DefaultNamingStrategy, type NamingStrategyInterface } from 'typeorm';

/** Maps `createdAt` to `created_at`, so that entities need not repeat it for each column. */
export class SnakeNaming extends DefaultNamingStrategy implements NamingStrategyInterface {
  override columnName(propertyName: string, customName: string | undefined): string {
    return customName ?? propertyName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}
