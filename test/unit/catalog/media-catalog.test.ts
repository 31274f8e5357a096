import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import { mediaCatalogConformance } from '../../conformance/catalog-media.ts';

mediaCatalogConformance('SQLite', () => openCatalog(':memory:'));
