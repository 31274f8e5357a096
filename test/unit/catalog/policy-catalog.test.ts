import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import { policyCatalogConformance } from '../../conformance/catalog-policy.ts';

policyCatalogConformance('SQLite', () => openCatalog(':memory:'));
