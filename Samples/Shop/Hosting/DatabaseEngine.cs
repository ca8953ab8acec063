namespace Shop.Hosting;

internal enum DatabaseEngine
{
    Sqlite,
    PostgreSql,
}
