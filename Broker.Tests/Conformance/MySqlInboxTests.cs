using Outbox.Sql;

namespace Broker.Tests.Conformance;

internal sealed class MySqlInboxTests() : InboxSuite(SqlDialect.MySql);
