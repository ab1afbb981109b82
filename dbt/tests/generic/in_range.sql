{# every value that is there lies between the two bounds, both included; no upper bound where none is named #}
{% test in_range(model, column_name, minimum=0, maximum=none) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} < {{ minimum }} or isnan({{ column_name }}::double)
{%- if maximum is not none %} or {{ column_name }} > {{ maximum }}{% endif %}
{% endtest %}
